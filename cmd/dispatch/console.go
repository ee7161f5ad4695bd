package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/location"
	"example.com/dispatch/pkg/dispatch"
	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong flags, or input with faults
)

// console is where a command reads and writes.
type console struct {
	in   io.Reader
	out  io.Writer
	err  io.Writer
	args []string
}

// commands are the command line's.
type commands struct {
	Serve      serveCommand      `cmd:"" help:"Run the three verbs in this process, on a SQLite file."`
	Enqueue    enqueueCommand    `cmd:"" help:"Enqueue the tasks in a JSON file."`
	List       listCommand       `cmd:"" help:"List tasks."`
	Show       showCommand       `cmd:"" help:"Tell a task's story, and why it has not run yet."`
	Cancel     cancelCommand     `cmd:"" help:"End a task before its next attempt."`
	Skip       skipCommand       `cmd:"" help:"End a held task, so that its group goes on."`
	Reschedule rescheduleCommand `cmd:"" help:"Change when a task is due."`
	Retry      retryCommand      `cmd:"" help:"Run tasks again that have ended or are held: some by id, or all that a filter finds."`
	Clear      clearCommand      `cmd:"" help:"Delete tasks that ended long ago."`
	Pause      pauseCommand      `cmd:"" help:"Have nothing of a queue called."`
	Resume     resumeCommand     `cmd:"" help:"End a queue's pause."`
	Settings   settingsCommand   `cmd:"" help:"Show or change the settings."`
	Export     exportCommand     `cmd:"" help:"Write all tasks and the settings into a file."`
	Import     importCommand     `cmd:"" help:"Put what an export has into a store."`
	Keys       keysCommand       `cmd:"" help:"Make, list, change and publish the keys that sign calls."`
	Schema     schemaCommand     `cmd:"" help:"Print the JSON Schema of a task, the settings or an answer."`
	Receive    receiveCommand    `cmd:"" help:"Run a receiver that prints each call, for trying things out."`
	Demo       demoCommand       `cmd:"" help:"Show the main job at work: it needs nothing but this program."`
}

// run runs the command that the arguments name, and returns the exit code.
func run(ctx context.Context, c console) int {
	var chosen commands
	code := -1
	parser, err := kong.New(&chosen, kong.Name("dispatch"),
		kong.Description("dispatch makes an outgoing HTTP call happen: later, with retries, once the caller has moved on."),
		kong.Writers(c.out, c.err), kong.Exit(func(n int) { code = n }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c))
	if err != nil {
		fmt.Fprintln(c.err, "dispatch:", err)
		return exitFailed
	}
	command, err := parser.Parse(c.args)
	if code >= 0 {
		return code // --help has been answered
	}
	if err != nil {
		fmt.Fprintf(c.err, "dispatch: %v\nRun \"dispatch --help\" for what there is.\n", err)
		return exitUsage
	}
	return c.exit(command.Run())
}

// exit says what failed, and returns the exit code that it means.
func (c console) exit(err error) int {
	if err == nil {
		return exitOK
	}
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		fmt.Fprintln(c.err, "dispatch: the input has faults; nothing was stored")
		for _, f := range invalid.Faults {
			fmt.Fprintf(c.err, "  %s: %s\n", f.Pointer, f.Detail)
		}
		return exitUsage
	}
	fmt.Fprintln(c.err, "dispatch:", err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// errUsage marks an error as the fault of whoever typed the command.
var errUsage = errors.New("wrong usage")

// json writes v for programs.
func (c console) json(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// terminal reports whether a person may be reading what is written to w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// storeFlags are those of every command that works on a store.
type storeFlags struct {
	Store     location.Location `default:"sqlite:dispatch.db" env:"DISPATCH_STORE" placeholder:"STORE" help:"sqlite:FILE or dynamodb:TABLE (${default})."`
	Retention time.Duration     `default:"168h" help:"How long tasks stay that this command ends (${default}, at least 8h)."`
	JSON      bool              `name:"json" help:"Write JSON, for programs."`
}

// storeTime bounds what a command does with one task; listTime, with a whole table.
const (
	storeTime = 30 * time.Second
	listTime  = 10 * time.Minute
)

// Validate is called by kong.
func (f storeFlags) Validate() error {
	if f.Retention < dispatch.MinRetention {
		return fmt.Errorf("--retention must be at least %v", dispatch.MinRetention)
	}
	return nil
}

// with opens the store for do.
func (f storeFlags) with(ctx context.Context, do func(context.Context, dispatch.Store) error) error {
	return f.opened(ctx, f.Store.Open, do)
}

func (f storeFlags) opened(ctx context.Context, open func(context.Context) (location.Store, error), do func(context.Context, dispatch.Store) error) error {
	store, err := open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, store.Store), store.Close())
}

func (f storeFlags) editor(store dispatch.Store) *dispatch.Editor {
	return &dispatch.Editor{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: f.Retention, Now: time.Now,
	}
}
