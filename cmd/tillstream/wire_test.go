package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a TCP proxy that can do to connections what networks do. Where it stands before Kafka it knows frames, and tells clients its
// own address wherever the broker tells its.
type wire struct {
	addr, to string
	kafka    bool

	mu     sync.Mutex
	accept net.Listener // nil while nobody listens
	links  map[*link]struct{}
	fault  fault // nil: sound
}

// piece is what goes over a wire at once: a frame of Kafka's, else what one read gave.
type piece struct {
	answer bool
	asking        // of Kafka's frames
	bytes  []byte // with the length before it, where it is a frame
}

// fault decides about a piece: its first n bytes pass, then the connection is as fate says. It may take its time, and change the bytes.
type fault func(p *piece) (n int, then fate)

type fate int

const (
	flows fate = iota
	cut        // reset
	dead       // nothing comes through any more, either way, even if the fault is over: who waits must give up by himself
)

// link is one connection through a wire.
type link struct {
	client, server *net.TCPConn

	mu     sync.Mutex
	dead   bool
	asking map[int32]asking // by correlation
}

type asking struct {
	api     kmsg.Key
	version int16
}

func newWire(t *testing.T, to string, kafka bool) *wire {
	t.Helper()
	w := &wire{to: to, kafka: kafka, addr: reserve(t), links: map[*link]struct{}{}}
	w.up(t)
	t.Cleanup(w.down)
	return w
}

// reserve finds an address of loopback that stays ours while nobody listens on it: a socket that is bound to it keeps Linux from giving the port to others
// who ask for any.
func reserve(t *testing.T) string {
	t.Helper()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(s) })
	err = errors.Join(syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(s, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, got := syscall.Getsockname(s)
	if err = errors.Join(err, got); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", at.(*syscall.SockaddrInet4).Port)
}

// up listens, on the same address each time.
func (w *wire) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accept, w.addr = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.join(c.(*net.TCPConn))
		}
	}()
}

// down refuses connections and resets those that there are.
func (w *wire) down() {
	w.mu.Lock()
	if w.accept != nil {
		w.accept.Close()
		w.accept = nil
	}
	w.mu.Unlock()
	w.cut()
}

// cut resets all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		l.reset()
	}
}

// suffer puts a fault in force, nil none.
func (w *wire) suffer(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

func (w *wire) join(client *net.TCPConn) {
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = client.SetLinger(0)
		client.Close()
		return
	}
	l := &link{client: client, server: server.(*net.TCPConn), asking: map[int32]asking{}}
	w.mu.Lock()
	w.links[l] = struct{}{}
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { w.carry(l, l.client, l.server, false) })
	both.Go(func() { w.carry(l, l.server, l.client, true) })
	both.Wait()
	client.Close()
	l.server.Close()
	w.mu.Lock()
	delete(w.links, l)
	w.mu.Unlock()
}

// carry moves pieces one way until either end is closed.
func (w *wire) carry(l *link, from, to *net.TCPConn, answer bool) {
	buf := make([]byte, 32<<10)
	for {
		p := piece{answer: answer}
		var err error
		if w.kafka {
			p.bytes, err = readFrame(from)
		} else {
			var n int
			n, err = from.Read(buf)
			p.bytes = buf[:n]
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite() // what the other end still says may come
			return
		}
		if err != nil {
			l.reset()
			return
		}
		if w.kafka {
			if p, err = l.kafkaPiece(p, w.addr); err != nil {
				panic(err) // the proxy itself is wrong
			}
		}
		w.mu.Lock()
		f := w.fault
		w.mu.Unlock()
		n, then := len(p.bytes), flows
		if f != nil {
			n, then = f(&p)
		}
		l.mu.Lock()
		if then == dead {
			l.dead = true
		}
		if l.dead {
			n = 0
		}
		l.mu.Unlock()
		if _, err := to.Write(p.bytes[:n]); err != nil || then == cut {
			l.reset()
			return
		}
	}
}

// reset ends both connections as a router does that lost them.
func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		_ = c.SetLinger(0)
		c.Close()
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// kafkaPiece finds out what a frame is, and puts addr in place of every broker's address.
func (l *link) kafkaPiece(p piece, addr string) (piece, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.answer {
		r := asking{kmsg.Key(binary.BigEndian.Uint16(p.bytes[4:])), int16(binary.BigEndian.Uint16(p.bytes[6:]))}
		l.asking[int32(binary.BigEndian.Uint32(p.bytes[8:]))] = r
		p.asking = r
		return p, nil
	}
	correlation := int32(binary.BigEndian.Uint32(p.bytes[4:]))
	asked := l.asking[correlation]
	delete(l.asking, correlation)
	p.asking = asked
	if asked.api != kmsg.Metadata && asked.api != kmsg.FindCoordinator {
		return p, nil
	}
	res, err := p.decode()
	if err != nil {
		return p, err
	}
	host, text, _ := net.SplitHostPort(addr)
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return p, err
	}
	port := int32(n)
	switch r := res.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			r.Brokers[i].Host, r.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		if r.NodeID >= 0 && r.Port > 0 {
			r.Host, r.Port = host, port
		}
		for i := range r.Coordinators {
			r.Coordinators[i].Host, r.Coordinators[i].Port = host, port
		}
	}
	p.encode(res)
	return p, nil
}

// decode reads an answer of Kafka's.
func (p *piece) decode() (kmsg.Response, error) {
	res := kmsg.ResponseForKey(int16(p.api))
	res.SetVersion(p.version)
	body := p.bytes[8:]
	if res.IsFlexible() {
		body = body[1:] // no tags
	}
	if err := res.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("reading %s of version %d: %w", p.api.Name(), p.version, err)
	}
	return res, nil
}

// encode puts another answer in the place of one.
func (p *piece) encode(res kmsg.Response) {
	head := p.bytes[4:8:8]
	if res.IsFlexible() {
		head = append(head, 0)
	}
	p.bytes = res.AppendTo(append(make([]byte, 4), head...))
	binary.BigEndian.PutUint32(p.bytes, uint32(len(p.bytes)-4))
}
