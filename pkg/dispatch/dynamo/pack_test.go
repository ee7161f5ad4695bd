package dynamo

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// order is a document of n bytes as callers write them.
func order(n int) []byte {
	chance := rand.New(rand.NewPCG(1, 2))
	b := fmt.Appendf(nil, `{"createdAt":"2040-02-29T23:59:58.765Z","method":"POST","uri":"https://api.example.com/v1/orders","httpTimeout":30,"body":{"order":"%016x","lines":[`, chance.Uint64())
	for len(b) < n-90 {
		b = fmt.Appendf(b, `{"currency":"EUR","price":%.2f,"quantity":%d,"sku":"SKU-%06d"},`, float64(chance.IntN(90000))/100, chance.IntN(9)+1, chance.IntN(1e6))
	}
	b = append(b, "{}]}}"...)
	return append(b, bytes.Repeat([]byte(" "), n-len(b))...)
}

// noise is a document that nothing makes shorter.
func noise(n int) []byte {
	chance := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(chance.Uint32())
	}
	return b
}

// A row is compressed where its put, claim and finish then cost less, and comes back as it was.
func TestPack(t *testing.T) {
	for _, c := range []struct {
		name        string
		doc         []byte
		before, now int // write units of the table; an index adds 2
	}{
		{"none", nil, 3, 3},
		{"an ordinary one", order(500), 3, 3},
		{"one that its lease takes over 1 KB", order(800), 5, 3},
		{"just over 1 KB", order(1100), 6, 3},
		{"3.5 KB", order(3500), 12, 3},
		{"30 KB", order(30 << 10), 93, 15},
		{"the largest", order(dispatch.MaxRow - 8<<10), 1179, 165},
		{"3.5 KB of noise", noise(3500), 12, 12},
		{"one byte, very often", bytes.Repeat([]byte("x"), 300<<10), 903, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			for version := 1; version <= dispatch.FormatVersion+1; version++ {
				task := dispatch.Task{
					ID: "8f14e45f-ceea-467f-9c6b-2d1e0a7b5c3d", State: dispatch.Scheduled, Queue: "default", Run: 1, Doc: c.doc, Hash: noise(32),
					Timeout: 30 * time.Second, DueAt: time.UnixMilli(1 << 41).UTC(), Lane: "default#0", Generation: 1 << 41, TTL: time.Unix(1<<31, 0).UTC(), Version: version,
				}
				plain, err := encode(task)
				if err != nil {
					t.Fatal(err)
				}
				r, err := newRow(task, new(packer))
				if err != nil {
					t.Fatal(err)
				}
				if before, now := billed(size(plain)), billed(size(r)); before != c.before || now != c.now {
					t.Errorf("%d units, and compressed %d; want %d and %d", before, now, c.before, c.now)
				}
				d := decoder{row: r}
				if r["packed"] != nil && d.number("version") < packedVersion {
					t.Errorf("compressed, and of version %d: older code takes it", d.number("version"))
				} else if r["packed"] == nil && !reflect.DeepEqual(r, plain) {
					t.Error("not compressed, and changed")
				}
				if got, err := decode(r); err != nil || !reflect.DeepEqual(got, task) {
					t.Errorf("%+v, %v, want %+v", got, err, task)
				}
				if unpacked, err := newRow(task, nil); err != nil || !reflect.DeepEqual(unpacked, plain) {
					t.Errorf("without a packer: %v", err)
				}
			}
		})
	}
}

// What is compressed is not taken for small: code that does not compress must be able to write it.
func TestPackedRowsKeepTheLimit(t *testing.T) {
	task := dispatch.Task{ID: "a", State: dispatch.Scheduled, Doc: bytes.Repeat([]byte("x"), dispatch.MaxRow)}
	if _, err := newRow(task, new(packer)); !errors.Is(err, dispatch.ErrTooLarge) {
		t.Errorf("%v, want that it is too large", err)
	}
}

// A document that does not decompress, or to more than any row had, is an error, and no more is read of it than that.
func TestUnpackIsBounded(t *testing.T) {
	squeezed := func(n int) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, c := range map[string]struct {
		doc  []byte
		want string
	}{
		"a row's most":     {squeezed(dispatch.MaxRow), ""},
		"one byte more":    {squeezed(dispatch.MaxRow + 1), "row too large"},
		"a bomb":           {squeezed(30 << 20), "row too large"},
		"no DEFLATE":       {[]byte("{}"), "decompressing its document"},
		"cut off":          {squeezed(1000)[:5], "unexpected EOF"},
		"nothing":          {nil, "decompressing its document"},
		"followed by more": {append(squeezed(1000), "more"...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := row{"id": text("a"), "packed": number(1), "version": number(packedVersion)}
			setBytes(r, "doc", c.doc)
			var err error
			spent := testing.AllocsPerRun(1, func() { _, err = decode(r) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if spent > 200 {
				t.Errorf("%v allocations", spent)
			}
		})
	}
}
