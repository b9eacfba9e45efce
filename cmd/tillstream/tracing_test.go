package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
)

// Spans reach a collector over OTLP by the time the program has ended, and without a word in configuration or environment there is no tracer.
func TestTracesAreSent(t *testing.T) {
	type request struct{ path, kind, body string }
	got := make(chan request, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.URL.Path, r.Header.Get("Content-Type"), string(body)}
	}))
	defer collector.Close()
	cfg := config.Default()
	for _, environ := range [][]string{nil, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://x:4318", "OTEL_SDK_DISABLED=true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://x:4318", "OTEL_TRACES_EXPORTER=none"}} {
		if tracer, _, err := openTracer(t.Context(), cfg, environ, zap.NewNop()); tracer != nil || err != nil {
			t.Errorf("%q: %v %v", environ, tracer, err)
		}
	}
	if !tracing(cfg, []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x:4318/v1/traces"}) {
		t.Error("the environment asks for traces")
	}
	cfg.Tracing.Endpoint = collector.URL
	tracer, end, err := openTracer(t.Context(), cfg, nil, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(t.Context(), "a batch of ours")
	span.End()
	end()
	if r := <-got; r.path != "/v1/traces" || r.kind != "application/x-protobuf" || !strings.Contains(r.body, "a batch of ours") || !strings.Contains(r.body, "tillstream") {
		t.Errorf("%q", r)
	}
}
