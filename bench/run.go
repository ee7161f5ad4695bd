package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// stepTime bounds one measurement.
const stepTime = 4 * time.Minute

// run is one run of the command.
type run struct {
	options
	folder   string // temporary
	programs programs
	table    *table
	best     map[string]int // calls at once, by system
	failed   error
}

// measure measures the systems, one after another in each part, so that they see the same machine.
func (r *run) measure(ctx context.Context) (err error) {
	if r.folder, err = os.MkdirTemp("", "peers-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	if err := os.Chmod(r.folder, 0o711); err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	if r.programs, err = build(ctx, r.folder); err != nil {
		return err
	}
	systems := r.systems()
	systems = r.tries(ctx, systems)
	for range r.pick(2, 1) {
		r.drains(ctx, systems)
	}
	r.enqueues(ctx, systems)
	r.latencies(ctx, systems)
	return errors.Join(r.failed, ctx.Err())
}

// systems returns those that are wanted and can be measured here.
func (r *run) systems() (found []system) {
	for _, c := range []struct {
		name   string
		system system
	}{
		{"dispatch", newDispatch(r.programs)}, {"river", newRiver()}, {"asynq", newAsynq(asynqName, "always")}, {"asynq", newAsynq(asynqEverysec, "everysec")},
	} {
		switch {
		case !slices.Contains(r.only, c.name):
		case c.system.missing != nil:
			r.table.leaveOut("%s: %v", c.system.name, c.system.missing)
		default:
			found = append(found, c.system)
			r.table.systems = append(r.table.systems, c.system.name)
		}
	}
	return found
}

// tries looks for the best concurrency of each, and returns those for which there is one.
func (r *run) tries(ctx context.Context, systems []system) []system {
	r.best = map[string]int{}
	for _, s := range systems {
		if s.name == asynqEverysec {
			r.best[s.name] = r.best[asynqName] // the same worker
			continue
		}
		most := 0.0
		for _, n := range r.concurrency {
			r.step(ctx, s, fmt.Sprintf("drain with %d calls at once", n), func(ctx context.Context) error {
				d, err := r.drain(ctx, s, r.pick(30_000, 3_000), workload{concurrency: n}, false)
				if err != nil {
					return err
				}
				r.table.trials = append(r.table.trials, trial{s.name, n, d.rate})
				if d.rate > most {
					most, r.best[s.name] = d.rate, n
				}
				return nil
			})
		}
	}
	return slices.DeleteFunc(systems, func(s system) bool { return r.best[s.name] == 0 })
}

// drains measures a round of drains, and keeps what was the best of each system's rounds.
func (r *run) drains(ctx context.Context, systems []system) {
	for _, signed := range []bool{false, true} {
		rate, cpu, memory := drainRate, drainCPU, drainMemory
		if signed {
			rate, cpu, memory = signedRate, signedCPU, signedMemory
		}
		for _, s := range systems {
			r.step(ctx, s, rate, func(ctx context.Context) error {
				d, err := r.drain(ctx, s, r.pick(100_000, 10_000), workload{r.best[s.name], signed}, true)
				if err == nil && d.rate > r.table.figures[s.name][rate] {
					r.table.set(s.name, rate, d.rate)
					r.table.set(s.name, cpu, microseconds(d.cpu))
					r.table.set(s.name, memory, float64(d.memory)/1e6)
				}
				return err
			})
		}
	}
}

func (r *run) enqueues(ctx context.Context, systems []system) {
	for _, c := range []struct {
		name, http string
		together   int
		limit      limit
	}{
		{singleRate, singleHTTP, 1, limit{r.pick(200_000, 20_000), 6}},
		{batchRate, batchHTTP, 1000, limit{r.pick(400_000, 100_000), 6}},
	} {
		for _, s := range systems {
			r.step(ctx, s, c.name, func(ctx context.Context) error {
				return r.with(ctx, s, func(system running, _ *process) error {
					rate, err := system.enqueue(ctx, c.together, c.limit)
					if errors.Is(err, errNoBatches) {
						return nil
					}
					return r.keep(s.name, c.name, rate, err)
				})
			})
			if s.name != dispatchName {
				continue
			}
			r.step(ctx, s, c.http, func(ctx context.Context) error {
				return r.with(ctx, s, func(system running, _ *process) error {
					rate, err := system.(*dispatchRunning).enqueueHTTP(ctx, c.together, c.limit)
					return r.keep(s.name, c.http, rate, err)
				})
			})
		}
	}
}

// keep puts a figure into the table unless there is an error, which it returns.
func (r *run) keep(system, measure string, value float64, err error) error {
	if err == nil {
		r.table.set(system, measure, value)
	}
	return err
}

func (r *run) latencies(ctx context.Context, systems []system) {
	for _, s := range systems {
		r.step(ctx, s, "latency", func(ctx context.Context) error {
			found, err := r.latency(ctx, s, r.pick(15, 5), workload{concurrency: r.best[s.name]})
			if err != nil {
				return err
			}
			r.table.set(s.name, latencyMiddle, milliseconds(found.p50))
			r.table.set(s.name, latencyHigh, milliseconds(found.p99))
			r.table.set(s.name, steadyCPU, microseconds(found.cpu))
			return nil
		})
	}
}

// step does one measurement and tells of it. One that fails does not end the others; the end of the run does.
func (r *run) step(ctx context.Context, s system, what string, do func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	began := time.Now()
	fmt.Fprintf(os.Stderr, "%s: %s …", s.name, what)
	if err := do(ctx); err != nil {
		r.failed = errors.Join(r.failed, fmt.Errorf("%s, %s: %w", s.name, what, err))
		fmt.Fprint(os.Stderr, " failed,")
	}
	fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(began).Seconds())
}

// pick returns the count for a whole run, or the one for a short run.
func (r *run) pick(whole, short int) int {
	if r.short {
		return short
	}
	return whole
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func microseconds(d time.Duration) float64 { return d.Seconds() * 1e6 }
