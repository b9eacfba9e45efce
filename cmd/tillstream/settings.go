package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/certs"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Say what is wrong with a configuration."`
	Print configPrintCmd `cmd:"" help:"Print every key with its meaning and what is in force."`
}

type configCheckCmd struct {
	File string `arg:"" optional:"" type:"path" help:"Configuration file."`
}

func (*configCheckCmd) Help() string {
	return `Asks neither Kafka nor ClickHouse; tillstream doctor does.

  tillstream config check tillstream.yaml`
}

func (c *configCheckCmd) Run(e *env) error {
	if _, err := loadConfig(e, c.File); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "the configuration is good")
	return nil
}

type configPrintCmd struct {
	File string `arg:"" optional:"" type:"path" help:"Configuration file; the defaults without one."`
}

func (*configPrintCmd) Help() string {
	return `What is printed is a whole configuration file, secrets left out.

  tillstream config print > tillstream.yaml
  tillstream config print tillstream.yaml`
}

func (c *configPrintCmd) Run(e *env) error {
	cfg, err := loadConfig(e, c.File)
	if err != nil {
		return err
	}
	return cfg.Print(e.stdout)
}

func loadConfig(e *env, path string) (*config.Config, error) {
	cfg, err := config.Load(path, e.environ)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; tillstream config print > FILE makes one", err)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return cfg, nil
}

// newLogger logs to standard error, constant messages with fields.
func newLogger(w io.Writer, cfg *config.Config) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Log.Level)
	if err != nil {
		return nil, usageError{fmt.Errorf("log.level: %w", err)}
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339TimeEncoder
	encoder := zapcore.NewConsoleEncoder(enc)
	if cfg.Log.Format == "json" {
		encoder = zapcore.NewJSONEncoder(enc)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}

// httpLogin is how a server of HTTP is told who we are.
func httpLogin(l *config.HTTPLogin) certs.Login {
	return certs.Login{
		Username: l.Username, Password: string(l.Password), PasswordFile: l.PasswordFile, Token: string(l.Token), TokenFile: l.TokenFile,
		TLS: certFiles(&l.TLS),
	}
}

func certFiles(t *config.TLS) certs.Files {
	return certs.Files{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
}

// processorConfig is what the processor needs of the configuration.
func processorConfig(cfg *config.Config) processor.Config {
	k, p := cfg.Kafka, cfg.Processor
	formats, _ := cfg.Formats.TopicFormats() // validated when it was loaded
	return processor.Config{
		Group: k.Group, Topics: k.Topics, SessionTimeout: duration(k.SessionTimeout), Heartbeat: duration(k.HeartbeatInterval),
		RebalanceTimeout: duration(k.RebalanceTimeout), Lanes: p.Lanes, BatchAge: duration(p.BatchAge), BatchRecords: p.BatchRecords,
		BatchBytes: int(p.BatchBytes), Memory: int64(p.Memory), Secret: []byte(cfg.Privacy.Secret), MaxEventBytes: int(p.MaxEventBytes),
		MaxLateness: duration(p.MaxLateness), BusinessDayCutoff: duration(p.BusinessDayCutoff), HeartbeatTimeout: duration(p.HeartbeatTimeout),
		TimelineWindow: duration(p.TimelineWindow), RetireAfter: duration(p.RetireAfter), Watch: p.WatchProducts, CorrectionWindow: duration(p.CorrectionWindow),
		Formats: formats, Mappings: mappers(&cfg.Formats), SchemaRegistry: len(cfg.Formats.SchemaRegistry.URLs) > 0,
	}
}

func duration(d config.Duration) time.Duration { return time.Duration(d) }
