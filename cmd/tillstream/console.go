package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/console"
	"github.com/tillstream/tillstream/docs"
	"github.com/tillstream/tillstream/docs/pages"
	"github.com/tillstream/tillstream/processor"
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

// withConsole puts the console beside what else is served at an address.
func withConsole(rest http.Handler, cfg *config.Config, users console.Users, at net.Addr, sink *clickhouse.Sink, proc *processor.Processor, log *zap.Logger) (http.Handler, error) {
	if !cfg.Console.Enabled {
		return rest, nil
	}
	tcp, ok := at.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	if !loopback && !users.Any() {
		log.Warn("the console is closed: other machines can reach the address, and console.users_file names nobody who may log in", zap.Stringer("address", at))
	}
	handler, err := console.New(console.Config{Users: users, Loopback: loopback}, console.Deps{
		Ask:   sink.Reader(clickhouse.Limits{Time: time.Duration(cfg.Console.Timeout), Rows: consoleRows, Memory: int64(cfg.Console.Memory)}),
		Lanes: func() []console.Lane { return consoleLanes(proc) },
		Docs:  pages.Handler(docs.Texts, versionString(), log.Named("docs")), Now: time.Now, Log: log.Named("console"),
	})
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
