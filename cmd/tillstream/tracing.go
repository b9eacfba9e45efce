package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
)

// flushWithin bounds how long the last spans may take at the end.
const flushWithin = 3 * time.Second

// openTracer makes what traces batches, nil if nobody asked for it. OpenTelemetry reads its own variables; of them only those are looked at here that turn it on or off.
func openTracer(ctx context.Context, cfg *config.Config, environ []string, log *zap.Logger) (tracer trace.Tracer, end func(), err error) {
	end = func() {}
	if !tracing(cfg, environ) {
		return nil, end, nil
	}
	var options []otlptracehttp.Option
	if e := cfg.Tracing.Endpoint; e != "" {
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimSuffix(e, "/")+"/v1/traces"))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, end, usageError{fmt.Errorf("tracing.endpoint, or OTEL_EXPORTER_OTLP_…: %w", err)}
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "tillstream"), attribute.String("service.version", versionString())),
		resource.WithHost(), resource.WithFromEnv()) // what the environment says wins
	if err != nil {
		return nil, end, usageError{fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces not sent", zap.Error(err)) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return provider.Tracer("github.com/tillstream/tillstream"), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("traces not sent", zap.Error(err))
		}
	}, nil
}

// tracing says whether somebody wants traces.
func tracing(cfg *config.Config, environ []string) bool {
	says := func(name string) string {
		i := slices.IndexFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if i < 0 {
			return ""
		}
		return environ[i][len(name)+1:]
	}
	if strings.EqualFold(says("OTEL_SDK_DISABLED"), "true") || says("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return cfg.Tracing.Endpoint != "" || says("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || says("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}
