// Command tillstream processes point-of-sale telemetry: Kafka in, rollups in ClickHouse out, each event counted once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tillstream/tillstream/deploy/embedded"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// cli is the command line: one field a subcommand, each in its own file.
type cli struct {
	Demo        demoCmd        `cmd:"" help:"Everything on one machine, with Kafka and ClickHouse embedded; a simulated chain of stores without --input."`
	Run         runCmd         `cmd:"" help:"The processor, against the Kafka and the ClickHouse of the configuration."`
	Ingest      ingestCmd      `cmd:"" help:"Send files of canonical events to the topics of their type."`
	Simulate    simulateCmd    `cmd:"" help:"Make the events of a chain of stores, with the ground truth."`
	SQL         sqlCmd         `cmd:"" name:"sql" help:"Ask ClickHouse."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the databases tillstream and pos to this version."`
	Apply       applyCmd       `cmd:"" help:"Register stores, terminals, calendars, customers, services, suppliers and agreements from YAML. Shows first what would change."`
	SLA         slaCmd         `cmd:"" name:"sla" help:"Check, print and export agreements, measure them, show how they stand."`
	Audit       auditCmd       `cmd:"" help:"Prove that the books balance, or name the table, the lane and the offsets."`
	Epoch       epochCmd       `cmd:"" help:"Begin a new epoch of a stopped group, for example with another number of lanes; or say whether it is at rest."`
	Adopt       adoptCmd       `cmd:"" help:"Mend a lane that stopped: begin a new epoch in which partitions go on elsewhere. Says first what is lost."`
	Rebuild     rebuildCmd     `cmd:"" help:"Make tables anew from Kafka while no member runs, and swap them in."`
	Map         mapCmd         `cmd:"" help:"Try a mapping: print the canonical event that a payload becomes, and whether it is accepted."`
	DeadLetters deadLettersCmd `cmd:"" name:"deadletters" help:"List the events that could not be folded, or send them again."`
	Refresh     refreshCmd     `cmd:"" help:"Reckon the views of marketing anew that are not reckoned when they are asked."`
	Incidents   incidentsCmd   `cmd:"" help:"List and show incidents, or say whose one is."`
	CLV         clvCmd         `cmd:"" name:"clv" help:"Predict what customers will buy and what that is worth."`
	Audience    audienceCmd    `cmd:"" help:"Take out the pseudonyms of customers for a campaign; join them to ids where the secret is."`
	Forget      forgetCmd      `cmd:"" help:"Erase customers from all tables, and fold their events without them from now on."`
	Alerts      alertsCmd      `cmd:"" help:"List alerts."`
	Config      configCmd      `cmd:"" help:"Check or print the configuration."`
	Doctor      doctorCmd      `cmd:"" help:"Look at a whole set-up, from Kafka's settings to the registry, and say what to change."`
	Ready       readyCmd       `cmd:"" help:"Ask a running processor whether all its lanes work."`
	Docs        docsCmd        `cmd:"" help:"Write the documentation of this version to a folder, as pages for a browser."`
	Completion  completionCmd  `cmd:"" help:"Make the shell complete commands and flags."`
	Complete    completeCmd    `cmd:"" hidden:""`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// env is what a command has of the outside world.
type env struct {
	ctx            context.Context
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// usageError is a mistake of the caller: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	embedded.RunChildIfAsked()
	threadToSpare()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(&env{ctx: ctx, environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// threadToSpare lets Go use one thread more than there are cores, unless the environment says how many. While a lane folds on each, Go looks at sockets every 10 ms only, and 2 MiB from Kafka
// need several looks; with one to spare the system's scheduler sees to it at once.
func threadToSpare() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// run is the program without its process.
func run(e *env, args []string) int {
	switch { // what newcomers try
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version": // no flag of all commands: sla what-if has one of that name
		args = []string{"version"}
	}
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tillstream"), kong.Description("Exactly-once rollups of point-of-sale telemetry."), kong.UsageOnError(),
		kong.Writers(e.stdout, e.stderr), kong.Exit(func(code int) { exited = code }),
	)
	if err != nil {
		fmt.Fprintln(e.stderr, "tillstream:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		at := "tillstream"
		var wrong *kong.ParseError
		if errors.As(err, &wrong) && wrong.Context.Selected() != nil {
			at = wrong.Context.Selected().FullPath()
		}
		fmt.Fprintf(e.stderr, "tillstream: %v; see %s --help\n", err, at)
		return exitUsage
	}
	err = parsed.Run(e)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, context.Canceled) && e.ctx.Err() != nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintln(e.stderr, "tillstream:", err)
		return exitUsage
	default:
		fmt.Fprintln(e.stderr, "tillstream:", err)
		return exitFailed
	}
}
