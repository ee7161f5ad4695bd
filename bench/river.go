package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	riverName  = "River"
	riverFetch = 2 * time.Millisecond
	riverPool  = 50
)

// Kind implements [river.JobArgs].
func (call) Kind() string { return "call" }

func newRiver() system {
	programs, err := findPostgres()
	return system{name: riverName, missing: err, start: func(ctx context.Context, folder string) (running, error) {
		server, socket, err := programs.start(ctx, folder)
		if err != nil {
			return nil, err
		}
		r := &riverRunning{server: server, dsn: fmt.Sprintf("host=%s user=postgres dbname=postgres pool_max_conns=%d", socket, riverPool)}
		if err := r.migrate(ctx); err != nil {
			return nil, errors.Join(err, r.stop())
		}
		return r, nil
	}}
}

type riverRunning struct {
	server *process
	dsn    string
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx] // inserts only
}

func (r *riverRunning) migrate(ctx context.Context) (err error) {
	if r.pool, err = pgxpool.New(ctx, r.dsn); err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(r.pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("making River's tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("making River's tables: %w", err)
	}
	r.client, err = river.NewClient(riverpgxv5.New(r.pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	return err
}

// fill puts jobs, then does what autovacuum and the checkpointer would have done meanwhile: the planner knows the
// table, and nothing of the filling is left to be written.
func (r *riverRunning) fill(ctx context.Context, uri string, n int) error {
	const together = 1000
	_, err := side(4, n/together, limit{seconds: fillSeconds}, func() error { return r.insert(ctx, uri, together) })
	for _, statement := range []string{"VACUUM (ANALYZE) river_job", "CHECKPOINT"} {
		if err == nil {
			_, err = r.pool.Exec(ctx, statement)
		}
	}
	return err
}

func (r *riverRunning) insert(ctx context.Context, uri string, n int) error {
	_, err := r.client.InsertManyFast(ctx, slices.Repeat([]river.InsertManyParams{{Args: call{uri, body()}}}, n))
	return err
}

func (r *riverRunning) enqueue(ctx context.Context, together int, l limit) (float64, error) {
	one := func() error { return r.put(ctx, nowhere) }
	if together > 1 {
		one = func() error { return r.insert(ctx, nowhere, together) }
	}
	rate, err := side(callers, l.tasks/together, l, one)
	return rate * float64(together), err
}

func (r *riverRunning) put(ctx context.Context, uri string) error {
	_, err := r.client.Insert(ctx, call{uri, body()}, nil)
	return err
}

func (r *riverRunning) work(ctx context.Context, w workload) (*process, error) {
	return startWorker(ctx, job{System: riverName, At: r.dsn, Concurrency: w.concurrency, Signed: w.signed})
}

func (r *riverRunning) servers() []int { return []int{r.server.pid()} }

func (r *riverRunning) left(ctx context.Context) (n int, err error) {
	err = r.pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&n)
	return n, err
}

func (r *riverRunning) stop() error {
	if r.pool != nil {
		r.pool.Close()
	}
	return r.server.end(os.Interrupt) // a fast shutdown
}

// workRiver makes River's calls until the context ends, and finishes those that it has begun.
func workRiver(ctx context.Context, j job) (err error) {
	unending := context.WithoutCancel(ctx)
	pool, err := pgxpool.New(unending, j.At)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer pool.Close()
	s, err := newSender(j.Concurrency, j.Signed)
	if err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[call]) error {
		return s.send(ctx, job.Args, fmt.Sprint(job.ID), job.Attempt)
	}))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: j.Concurrency}},
		FetchCooldown: riverFetch, FetchPollInterval: riverFetch,
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("making River's client: %w", err)
	}
	if err := client.Start(unending); err != nil {
		return fmt.Errorf("starting River: %w", err)
	}
	ready()
	<-ctx.Done()
	ending, cancel := context.WithTimeout(unending, endTime)
	defer cancel()
	return client.Stop(ending)
}
