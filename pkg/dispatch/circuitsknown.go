package dispatch

import (
	"context"
	"log/slog"
	"time"
)

// refresh begins to read what others have seen, if that was long before now. It waits for nothing.
func (c *Circuits) refresh(ctx context.Context, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading != nil || !c.read.IsZero() && now.Sub(c.read) < c.Age {
		return
	}
	over := make(chan struct{})
	c.reading = over
	go func() {
		defer close(over) // however it ends
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTime)
		defer cancel()
		from := &dated{Store: c.Store, now: c.Now}
		open, err := LoadCircuits(ctx, from)
		if err != nil {
			c.Log.LogAttrs(ctx, slog.LevelWarn, "the circuits were not read; those known stay", slog.Any("error", err))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reading = nil
		if err == nil {
			c.learn(open, from)
		} else if c.read.Before(now) {
			c.read = now // not again at once
		}
	}()
}

// dated is a store of one document that remembers of which version it last was, and when that was asked for or written.
type dated struct {
	Store
	now     func() time.Time
	version int64
	at      time.Time
}

// Load implements [Store].
func (d *dated) Load(ctx context.Context, name string) (Document, error) {
	at := d.now()
	doc, err := d.Store.Load(ctx, name)
	d.at, d.version = at, doc.Version
	return doc, err
}

// Save implements [Store].
func (d *dated) Save(ctx context.Context, doc Document) error {
	at := d.now()
	err := d.Store.Save(ctx, doc)
	if err == nil {
		d.at, d.version = at, doc.Version
	}
	return err
}

// learn takes in what was read or written, unless it is older than what is known: whoever asked may have stood still with
// the function until others knew better. A lower version is newer only where it was asked for later: the document was deleted.
func (c *Circuits) learn(open map[string]Circuit, from *dated) {
	if from.version < c.version && from.at.Before(c.learned) {
		return
	}
	c.open, c.version, c.learned = open, from.version, c.Now()
	if c.read.Before(from.at) {
		c.read = from.at
	}
}

// known returns the origin's circuit, if it is open.
func (c *Circuits) known(ctx context.Context, origin string) (Circuit, bool) {
	now := c.Now()
	for range 2 { // a read that is under way may have stood still with its function for hours
		c.refresh(ctx, now)
		c.mu.Lock()
		reading := c.reading
		c.mu.Unlock()
		if reading != nil {
			<-reading
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	circuit, open := c.open[origin]
	return circuit, open
}
