package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

const (
	asynqName     = "Asynq"
	asynqEverysec = "Asynq everysec"
	asynqServers  = 10 // in one process: each has a single loop that fetches
	asynqFetch    = 2 * time.Millisecond
	asynqQueue    = "default"
)

func newAsynq(name, appendfsync string) system {
	program, err := find("redis-server")
	return system{name: name, missing: err, start: func(ctx context.Context, folder string) (running, error) {
		server, socket, err := startRedis(ctx, program, folder, appendfsync)
		if err != nil {
			return nil, err
		}
		at := redisAt(socket)
		at.PoolSize = callers
		return &asynqRunning{server, socket, asynq.NewClient(at), asynq.NewInspector(at)}, nil
	}}
}

func redisAt(socket string) asynq.RedisClientOpt {
	return asynq.RedisClientOpt{Network: "unix", Addr: socket}
}

type asynqRunning struct {
	server    *process
	socket    string
	client    *asynq.Client
	inspector *asynq.Inspector
}

func (a *asynqRunning) fill(ctx context.Context, uri string, n int) error {
	_, err := side(callers, n, limit{seconds: fillSeconds}, func() error { return a.put(ctx, uri) })
	return err
}

func (a *asynqRunning) enqueue(ctx context.Context, together int, l limit) (float64, error) {
	if together > 1 {
		return 0, errNoBatches
	}
	return side(callers, l.tasks, l, func() error { return a.put(ctx, nowhere) })
}

func (a *asynqRunning) put(ctx context.Context, uri string) error {
	payload, err := json.Marshal(call{uri, body()})
	if err == nil {
		_, err = a.client.EnqueueContext(ctx, asynq.NewTask(call{}.Kind(), payload))
	}
	return err
}

func (a *asynqRunning) work(ctx context.Context, w workload) (*process, error) {
	return startWorker(ctx, job{System: asynqName, At: a.socket, Concurrency: w.concurrency, Signed: w.signed})
}

func (a *asynqRunning) servers() []int { return []int{a.server.pid()} }

func (a *asynqRunning) left(context.Context) (int, error) {
	q, err := a.inspector.GetQueueInfo(asynqQueue)
	if err != nil {
		return 0, err
	}
	return q.Pending + q.Active + q.Scheduled + q.Retry + q.Archived, nil
}

func (a *asynqRunning) stop() error {
	return errors.Join(a.client.Close(), a.inspector.Close(), a.server.end(syscall.SIGTERM))
}

// workAsynq makes Asynq's calls until the context ends, and finishes those that it has begun.
func workAsynq(ctx context.Context, j job) error {
	s, err := newSender(j.Concurrency, j.Signed)
	if err != nil {
		return err
	}
	handler := asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		var c call
		if err := json.Unmarshal(t.Payload(), &c); err != nil {
			return err
		}
		id, _ := asynq.GetTaskID(ctx)
		retried, _ := asynq.GetRetryCount(ctx)
		return s.send(ctx, c, id, retried+1)
	})
	var stopping sync.WaitGroup
	defer stopping.Wait()
	for range asynqServers {
		server := asynq.NewServer(redisAt(j.At), asynq.Config{
			Concurrency: max(1, j.Concurrency/asynqServers), TaskCheckInterval: asynqFetch, LogLevel: asynq.FatalLevel,
		})
		if err := server.Start(handler); err != nil {
			return fmt.Errorf("starting Asynq: %w", err)
		}
		defer stopping.Go(server.Shutdown)
	}
	ready()
	<-ctx.Done()
	return nil
}
