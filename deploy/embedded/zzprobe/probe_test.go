package embedded

import (
	"bufio"
	"io"
	"net"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	for name, raw := range map[string]string{
		"bighdr":  "POST / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 300_000) + "\r\nContent-Length: 8\r\n\r\nSELECT 1",
		"hello":   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
		"hello2":  "\x16\x03\x01\x02\x00\x01\x00",
		"trunc":   "POST / HTTP/1.1\r\nContent-Len",
		"garbage": "GARBAGE\r\n\r\n",
		"foo": "FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
		"longfoo": strings.Repeat("F", 5000)+" / HTTP/1.1\r\nHost: x\r\n\r\n",
		"bigname": "POST / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a", 300_000) + ": x\r\nContent-Length: 8\r\n\r\nSELECT 1",
		"biguri": "GET /?query=" + strings.Repeat("a", 2_000_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"multipart": "POST /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 8\r\n\r\n--b\r\nCon",
	} {
		for _, cut := range []bool{true, false} {
			e := startTestEngine(t, t.TempDir())
			c := e.child.Load()
			line := ""
			if cut { line = send(t, e.HTTPAddr(), raw, cut) } else { line = send2(e.HTTPAddr(), raw) }
			select { case <-c.Exited(): fmt.Println(name, cut, line, "DIED", c.Reason()); case <-time.After(5*time.Second): fmt.Println(name, cut, line, "lives") }
			e.Close()
		}
	}
}
func send2(addr, raw string) string {
	conn, _ := net.Dial("tcp", addr); defer conn.Close()
	conn.SetDeadline(time.Now().Add(2*time.Second))
	io.WriteString(conn, raw)
	l, err := bufio.NewReader(conn).ReadString('\n')
	return l + fmt.Sprint(err)
}
