//go:build realregistry

package format_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/schemaregistry"
)

var registryURL = flag.String("registry", "", "a schema registry that this test may register schemas in, with Confluent's API; none: Apicurio, by Maven and Java")

// apicurio is the registry that is fetched where none is given.
const apicurio = "2.6.13.Final"

// startRegistry runs Apicurio with its schemas in memory, and gives the address of its Confluent API.
func startRegistry(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	do := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	do("mvn", "-q", "dependency:copy", "-Dartifact=io.apicurio:apicurio-registry-app:"+apicurio+":tar.gz:all", "-DoutputDirectory="+dir)
	do("tar", "-xzf", filepath.Join(dir, "apicurio-registry-app-"+apicurio+"-all.tar.gz"), "-C", dir)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	host, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "java", "-Xmx512m", "-Dquarkus.http.host="+host, "-Dquarkus.http.port="+port, "-jar", "apicurio-registry-app-"+apicurio+"-runner.jar")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context of the test has ended by then, and with it the process
	url := "http://" + address + "/apis/ccompat/v7"
	admin, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	for again := time.NewTicker(500 * time.Millisecond); ; {
		if _, err = admin.Subjects(ctx); err == nil {
			return url
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("Apicurio does not answer: %v\n%s", err, said.String())
		}
	}
}

// A real registry gives the schemas that were registered, and says of another id that there is none: make test-registry. Against one of your own:
//
//	go test -tags realregistry ./processor/format -run TestRealRegistry -registry http://localhost:8080/apis/ccompat/v7
func TestRealRegistry(t *testing.T) {
	if *registryURL == "" {
		*registryURL = startRegistry(t)
	}
	admin, err := sr.NewClient(sr.URLs(*registryURL))
	if err != nil {
		t.Fatal(err)
	}
	client, err := schemaregistry.New(schemaregistry.Config{URLs: []string{*registryURL}})
	if err != nil {
		t.Fatal(err)
	}
	d := format.NewDecoder(format.Options{Options: event.Options{Secret: []byte("0123456789abcdef"), Bodies: format.Bodies(t)}})
	d.Find(func(id int) (format.Schema, error) { return client.Schema(t.Context(), id) })
	for subject, c := range map[string]struct {
		schema  sr.Schema
		indexes string
		payload []byte
	}{
		"pos.orders-value":   {sr.Schema{Schema: text(t, "pos.order.v1.avsc")}, "", fixture(t, "order.avro")},
		"pos.protobuf-value": {sr.Schema{Schema: text(t, "pos.v1.proto"), Type: sr.TypeProtobuf}, "\x02\x04", fixture(t, "order.pb")},
	} {
		registered, err := admin.CreateSchema(t.Context(), subject, c.schema)
		if err != nil {
			t.Fatal(subject, err)
		}
		var e event.Event
		if r, err := d.Record(format.Record{Value: framed(registered.ID, c.indexes, c.payload)}, &e); r != nil || err != nil || e.Type != event.TypeOrder {
			t.Errorf("%s: %v, %v", subject, r, err)
		}
	}
	if _, err := client.Schema(t.Context(), 987_654_321); !errors.Is(err, format.ErrUnknownSchema) {
		t.Errorf("an id that is not there: %v", err)
	}
}
