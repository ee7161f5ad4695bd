package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// circuitsAsRead changes which circuits are open for those that read them.
func circuitsAsRead(change func(map[string]dispatch.Circuit)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, load: func(ctx context.Context, name string) (dispatch.Document, error) {
			d, err := s.Load(ctx, name)
			if err == nil && name == dispatch.CircuitsName {
				all := decodeCircuits(d.Body)
				change(all)
				d.Body, err = json.Marshal(all)
			}
			return d, err
		}}
	}
}

// circuitsWritten has some changes of circuits not written, though they are said to be.
func circuitsWritten(written func(was, is map[string]dispatch.Circuit) bool) dress {
	return func(s dispatch.Store, p *process) dispatch.Store {
		return dressed{Store: s, save: func(ctx context.Context, d dispatch.Document) error {
			if d.Name == dispatch.CircuitsName {
				was, err := dispatch.LoadCircuits(ctx, s)
				if err == nil && !written(was, decodeCircuits(d.Body)) {
					return nil
				}
			}
			return s.Save(ctx, d)
		}}
	}
}

// closesBlind takes every circuit for open when they cannot be read.
func closesBlind(s dispatch.Store, p *process) dispatch.Store {
	return dressed{Store: s, load: func(ctx context.Context, name string) (dispatch.Document, error) {
		d, err := s.Load(ctx, name)
		if name == dispatch.CircuitsName && err != nil && !errors.Is(err, dispatch.ErrNotFound) {
			all := map[string]dispatch.Circuit{}
			for _, origin := range []string{anywhere, firstOf, secondOf} {
				all[origin] = dispatch.Circuit{Since: p.now(), ProbeAt: p.now().Add(time.Minute)}
			}
			d.Body, err = json.Marshal(all)
		}
		return d, err
	}}
}
