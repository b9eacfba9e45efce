package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/console"
	"github.com/tillstream/tillstream/console/login"
	"github.com/tillstream/tillstream/docs"
	"github.com/tillstream/tillstream/docs/pages"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/certs"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

// consoleRows bounds the rows of a figure; pages ask for far fewer.
const consoleRows = 100_000

// consoleUsers reads who may log in to the console.
func consoleUsers(cfg *config.Config) (console.Users, error) {
	path := cfg.Console.UsersFile
	if path == "" || !cfg.Console.Enabled {
		return console.Users{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return console.Users{}, usageError{fmt.Errorf("console.users_file: %w", err)}
	}
	users, err := console.ParseUsers(string(text))
	if err != nil {
		return console.Users{}, usageError{fmt.Errorf("console.users_file: %s: %w", path, err)}
	}
	return users, nil
}

// consoleAccess is who may look at the console, but for the address, which is not known before it is listened on.
func consoleAccess(cfg *config.Config) (console.Config, error) {
	users, err := consoleUsers(cfg)
	if err != nil {
		return console.Config{}, err
	}
	for _, name := range cfg.Console.Operators {
		if cfg.Console.Enabled && !users.Has(name) {
			return console.Config{}, usageError{fmt.Errorf("console.operators: %s has no %q; htpasswd -nB prints a line for it", cfg.Console.UsersFile, name)}
		}
	}
	o := &cfg.Console.OIDC
	out := console.Config{Users: users, Operators: cfg.Console.Operators, Groups: console.Groups{Viewers: o.Viewers, Analysts: o.Analysts, Operators: o.Operators}}
	if o.Issuer == "" || !cfg.Console.Enabled {
		return out, nil
	}
	tls, err := certs.Client("console.oidc.tls", certFiles(&o.TLS))
	if err != nil {
		return console.Config{}, usageError{err}
	}
	out.Login, err = login.New(login.Config{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: string(o.ClientSecret), RedirectURL: o.RedirectURL, Scopes: o.Scopes,
		GroupsClaim: o.GroupsClaim, Groups: out.Groups.Names(), Session: duration(o.Session), HTTP: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: tls, ForceAttemptHTTP2: true}},
	}, time.Now)
	if err != nil {
		return console.Config{}, usageError{fmt.Errorf("console.oidc: %w", err)}
	}
	return out, nil
}

// withConsole puts the console beside what else is served at an address. kafka is where dead letters are sent again; nil: nowhere.
func withConsole(rest http.Handler, cfg *config.Config, access console.Config, at net.Addr, sink *clickhouse.Sink, kafka *source, proc *processor.Processor, log *zap.Logger) (http.Handler, error) {
	if !cfg.Console.Enabled {
		return rest, nil
	}
	tcp, ok := at.(*net.TCPAddr)
	access.Loopback = ok && tcp.IP.IsLoopback()
	if !access.Loopback && !access.Users.Any() && access.Login == nil {
		log.Warn("the console is closed: other machines can reach the address, and neither console.users_file nor console.oidc says who may log in", zap.Stringer("address", at))
	}
	deps := console.Deps{
		Ask:   sink.Reader(clickhouse.Limits{Time: time.Duration(cfg.Console.Timeout), Rows: consoleRows, Memory: int64(cfg.Console.Memory)}),
		Lanes: func() []console.Lane { return consoleLanes(proc) },
		Docs:  pages.Handler(docs.Texts, versionString(), log.Named("docs")), Now: time.Now, Log: log.Named("console"),
	}
	if kafka != nil {
		deps.Replay = func(ctx context.Context, what console.Replay) (console.Replayed, error) {
			return consoleReplay(ctx, kafka, sink, what)
		}
	}
	handler, err := console.New(access, deps)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(console.Prefix, handler)
	mux.Handle("/docs/", http.StripPrefix("/docs/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, console.Prefix+"docs/"+r.URL.Path, http.StatusFound)
	})))
	mux.Handle("/", rest)
	return mux, nil
}

// consoleReplay is tillstream deadletters replay --topic … --reason …, asked for in the console.
func consoleReplay(ctx context.Context, kafka *source, sink *clickhouse.Sink, what console.Replay) (console.Replayed, error) {
	listed, err := sink.Letters(ctx, clickhouse.LetterFilter{Topic: what.Topic, Reason: what.Reason})
	if err != nil {
		return console.Replayed{}, err
	}
	r := newReplay(ctx, kafka, listed, false)
	if !what.DryRun {
		r.sends(sink, what.By)
	}
	err = r.run(ctx)
	var text strings.Builder
	r.describe(&text, what.DryRun, kafka.cfg.Kafka.DeadLettersTopic)
	out := console.Replayed{Lines: strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")}
	for _, n := range r.sent {
		out.Sent += n
	}
	return out, err
}

// consoleLanes are the lanes of this process, as the console shows them.
func consoleLanes(proc *processor.Processor) []console.Lane {
	var out []console.Lane
	for _, l := range proc.Progress() {
		lane := console.Lane{Number: l.Lane, State: fmt.Sprint(l.State), Behind: l.Lag(), Stopped: l.State == processor.StateStopped}
		if l.Error != nil {
			lane.Trouble = l.Error.Error()
		}
		out = append(out, lane)
	}
	return out
}
