package dynamo

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// row is an item of the table.
type row = map[string]types.AttributeValue

func key(id string) row { return row{"id": text(id)} }

// encode returns the task's row, its doc as it is: see [packer]. Attributes that conditions compare are there even where they are zero, since a
// comparison with a missing attribute is false.
func encode(t dispatch.Task) (row, error) {
	r, err := outcome(t)
	if err != nil {
		return nil, err
	}
	r["id"] = text(t.ID)
	r["generation"] = number(t.Generation)
	r["timeout"] = number(t.Timeout.Milliseconds())
	r["version"] = number(int64(t.Version))
	setText(r, "queue", t.Queue)
	setText(r, "tenant", t.Tenant)
	setNumber(r, "run", int64(t.Run))
	setBytes(r, "doc", t.Doc)
	setBytes(r, "hash", t.Hash)
	setNumber(r, "expireAt", dispatch.Millis(t.ExpireAt))
	setText(r, "lease", t.Lease)
	setNumber(r, "until", dispatch.Millis(t.Until))
	if t.Flag {
		r["flag"] = number(1)
	}
	setText(r, "group", t.Group)
	setText(r, "prev", t.Prev)
	setText(r, "next", t.Next)
	return r, nil
}

// outcome returns the attributes that a settle writes; those of outcomeNames that it leaves out it removes.
func outcome(t dispatch.Task) (row, error) {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err != nil {
		return nil, err
	}
	r := row{"state": text(string(t.State))}
	setText(r, "reason", t.Reason)
	setNumber(r, "endedAt", dispatch.Millis(t.EndedAt))
	setNumber(r, "dueAt", dispatch.Millis(t.DueAt))
	setText(r, laneName(t.State), t.Lane)
	setText(r, "identifier", t.Identifier)
	setBytes(r, "progress", progress)
	setNumber(r, "lapses", int64(t.Lapses))
	setNumber(r, "ttl", seconds(t.TTL))
	return r, nil
}

// laneName is the attribute that keeps a task's lane: that of the index, or another while it waits for its turn or for
// a person.
func laneName(s dispatch.State) string {
	if s == dispatch.Blocked || s == dispatch.Held {
		return "home"
	}
	return "lane"
}

func outcomeNames() []string {
	return []string{"state", "reason", "endedAt", "dueAt", "lane", "home", "identifier", "progress", "lapses", "ttl"}
}

func names() []string {
	return append(outcomeNames(), "id", "generation", "timeout", "version", "packed", "queue", "tenant", "run", "doc", "hash",
		"expireAt", "lease", "until", "flag", "group", "prev", "next")
}

// decode is the inverse of encode.
func decode(r row) (dispatch.Task, error) {
	d := decoder{row: r}
	doc, version := d.unpack()
	t := dispatch.Task{
		ID:         d.text("id"),
		State:      dispatch.State(d.text("state")),
		Reason:     d.text("reason"),
		Queue:      d.text("queue"),
		Tenant:     d.text("tenant"),
		Run:        int(d.number("run")),
		EndedAt:    dispatch.FromMillis(d.number("endedAt")),
		Doc:        doc,
		Hash:       d.bytes("hash"),
		Timeout:    time.Duration(d.number("timeout")) * time.Millisecond,
		ExpireAt:   dispatch.FromMillis(d.number("expireAt")),
		DueAt:      dispatch.FromMillis(d.number("dueAt")),
		Lane:       cmp.Or(d.text("lane"), d.text("home")),
		Lease:      d.text("lease"),
		Until:      dispatch.FromMillis(d.number("until")),
		Generation: d.number("generation"),
		Lapses:     int(d.number("lapses")),
		Flag:       d.number("flag") != 0,
		Identifier: d.text("identifier"),
		Group:      d.text("group"),
		Prev:       d.text("prev"),
		Next:       d.text("next"),
		TTL:        dispatch.FromMillis(d.number("ttl") * 1000),
		Version:    int(version),
	}
	progress, err := dispatch.DecodeProgress(d.bytes("progress"))
	if err == nil {
		err = d.err
	}
	if err != nil {
		return t, fmt.Errorf("decoding the row of %q: %w", t.ID, err)
	}
	t.Progress = progress
	return t, nil
}

// seconds returns the instant as the attribute ttl has it: rounded up, so that no row goes early.
func seconds(t time.Time) int64 { return (dispatch.Millis(t) + 999) / 1000 }

// decoder reads a row's attributes, zero values for those that are missing, and keeps the first error.
type decoder struct {
	row row
	err error
}

func (d *decoder) text(name string) string {
	v, ok := d.row[name].(*types.AttributeValueMemberS)
	if !ok {
		d.wrong(name)
		return ""
	}
	return v.Value
}

func (d *decoder) bytes(name string) []byte {
	v, ok := d.row[name].(*types.AttributeValueMemberB)
	if !ok {
		d.wrong(name)
		return nil
	}
	return v.Value
}

func (d *decoder) number(name string) int64 {
	v, ok := d.row[name].(*types.AttributeValueMemberN)
	if !ok {
		d.wrong(name)
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("attribute %s: %w", name, err)
	}
	return n
}

// wrong notes an attribute that is there, but of another type.
func (d *decoder) wrong(name string) {
	if v, ok := d.row[name]; ok && d.err == nil {
		d.err = fmt.Errorf("attribute %s is a %T", name, v)
	}
}

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func setText(r row, name, s string) {
	if s != "" {
		r[name] = text(s)
	}
}

func setNumber(r row, name string, n int64) {
	if n != 0 {
		r[name] = number(n)
	}
}

func setBytes(r row, name string, b []byte) {
	if len(b) > 0 {
		r[name] = binary(b)
	}
}
