package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

const (
	quietRate  = 50 // tasks a second of the tenant that is measured
	aheadBy    = 1500 * time.Millisecond
	floodTime  = 60 * time.Second
	quietName  = "globex"
	floodName  = "acme"
	twoTenants = `{"tenants":{"` + quietName + `":{},"` + floodName + `":{}}}`
)

// tenants measures how late one tenant's tasks are called while another has many thousands due, in the same queue. Half of
// the tasks are due at once, and offered to a worker; the others are due in a while, and found by a sweep.
func (b *bench) tenants(ctx context.Context) error {
	seconds, flood := b.pick(6, 3), b.pick(50_000, 10_000)
	for _, c := range []struct {
		name    string
		flood   int
		same    bool // receiver
		tenants bool
		meaning string
	}{
		{"alone", 0, false, true, "nothing else is due"},
		{"beside a flood", flood, false, true, fmt.Sprintf("another tenant has %d tasks due in the same queue, for another receiver", flood)},
		{"beside a flood to the same receiver", flood, true, true, "the same, all for one receiver"},
		{"beside a flood, without tenants", flood, false, false, "to compare: the same tasks, none of which has a tenant"},
	} {
		late, err := b.beside(ctx, c.name, c.flood, seconds*quietRate, c.same, c.tenants)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for _, p := range []int{50, 99} {
			b.table.add(figure{
				"tenants", fmt.Sprintf("late %s, p%d", c.name, p), milliseconds(late[(len(late)-1)*p/100]), "ms", "", nil,
				fmt.Sprintf("%d tasks of one tenant, %d a second, from when they are due to the receiver's handler; %s", len(late), quietRate, c.meaning),
			})
		}
	}
	return nil
}

// beside returns how late n tasks were called, in order, while so many others were due.
func (b *bench) beside(ctx context.Context, name string, flood, n int, same, apart bool) (late []time.Duration, err error) {
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	flooded := receiver
	if !same {
		if flooded, err = startReceiver(ctx); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, flooded.end()) }()
	}
	who := func(tenant string) string {
		if apart {
			return tenant
		}
		return ""
	}
	db, err := b.fillFor(ctx, "tenants "+name, asked{URI: flooded.URL + "/call", Body: body(), Tenant: who(floodName)}, flood, apart)
	if err != nil {
		return nil, err
	}
	server, err := b.serve(ctx, db, "--unsigned")
	if err != nil {
		return nil, err
	}
	err = steadily(ctx, server.URL, quietRate, n, func(i int) asked {
		due := time.Now()
		a := asked{Body: body(), Tenant: who(quietName)}
		if i%2 == 1 {
			due, a.DueAt = due.Add(aheadBy).Truncate(time.Millisecond), due.Add(aheadBy).Truncate(time.Millisecond).Format(time.RFC3339Nano)
		}
		a.URI = fmt.Sprintf("%s/call?%s=%d", receiver.URL, sentAt, due.UnixNano())
		return a
	})
	all := n
	if same {
		all += flood
	}
	seen, waited := awaitCalls(ctx, receiver.URL, all, floodTime)
	if err = errors.Join(err, waited, server.end()); err != nil {
		return nil, err
	}
	if late = slices.Sorted(slices.Values(seen.Late)); len(late) < n {
		return nil, fmt.Errorf("%d of %d tasks arrived in time", len(late), n)
	}
	return late, nil
}

// fillFor puts n tasks that are due now into a new file, whose settings name two tenants if they are kept apart.
func (b *bench) fillFor(ctx context.Context, name string, task asked, n int, apart bool) (path string, err error) {
	path = filepath.Join(b.folder, name+".db")
	err = with(ctx, path, func(store *sqlite.Store) error {
		if !apart {
			return nil
		}
		s, err := dispatch.ParseSettings([]byte(twoTenants), nil)
		if err == nil {
			_, err = dispatch.SaveSettings(ctx, store, s)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("making %s: %w", path, err)
	}
	return b.fillWith(ctx, name, task, n)
}
