package certs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tillstream/tillstream/sinks/certs"
	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

// The login follows its files, goes to the server that is named, over TLS whose authority is renewed, and not to where that one redirects.
func TestTransport(t *testing.T) {
	var strange []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		strange = append(strange, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	var said []string
	old, next := certstest.NewAuthority(t), certstest.NewAuthority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = append(said, r.Header.Get("Authorization"))
		if r.URL.Path == "/away" {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	}))
	server.TLS = next.Server(false)
	server.StartTLS()
	defer server.Close()

	mount := certstest.NewMount(t, map[string]string{"ca.crt": old.PEM(), "password": "p", "token": "t"})
	for _, login := range []certs.Login{{Username: "u", PasswordFile: mount.Path("password")}, {TokenFile: mount.Path("token")}} {
		login.TLS.CAFile = mount.Path("ca.crt")
		failed := 0
		transport, err := certs.NewTransport("a.key", &http.Transport{}, login, []string{server.URL + "/path"}, func(key string, err error) {
			if key == "a.key" && err != nil {
				failed++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: transport}
		get := func(path string) error {
			res, err := client.Get(server.URL + path)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		if err := get("/"); err == nil {
			t.Error("an authority that nobody knows is trusted")
		}
		mount.Put(map[string]string{"ca.crt": next.PEM(), "password": "p2", "token": "t2"})
		if err := get("/away"); err != nil {
			t.Error(err)
		}
		mount.Put(map[string]string{"ca.crt": next.PEM(), "password": "", "token": ""})
		if err := get("/"); err != nil || failed != 1 {
			t.Error(err, failed)
		}
		client.CloseIdleConnections()
		mount.Put(map[string]string{"ca.crt": old.PEM(), "password": "p", "token": "t"})
	}
	if got := fmt.Sprint(said, len(strange), strange); got != "[Basic dTpwMg== Basic dTpwMg== Bearer t2 Bearer t2] 2 [ ]" {
		t.Error(got)
	}
}
