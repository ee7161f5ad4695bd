package dispatch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Progress is kept in rows as short JSON: {"attempts":2,"waiting":ms,"last":[[ms,status,took ms],…],"error":"…"};
// of one of several targets also {"state":"delivered","ended":ms,"next":ms}.
type progressRow struct {
	Attempts int       `json:"attempts,omitempty"`
	Waiting  int64     `json:"waiting,omitempty"`
	Last     []Attempt `json:"last,omitempty"`
	Error    string    `json:"error,omitempty"`
	State    State     `json:"state,omitempty"`
	Ended    int64     `json:"ended,omitempty"`
	Next     int64     `json:"next,omitempty"`
}

// EncodeProgress returns the bytes that a row keeps; nil for no progress.
func EncodeProgress(p []Progress) ([]byte, error) {
	if len(p) == 0 {
		return nil, nil
	}
	if b, ok := plainProgress(p); ok {
		return b, nil
	}
	b, err := jsonProgress(p)
	if err != nil {
		return nil, fmt.Errorf("encoding progress: %w", err)
	}
	return b, nil
}

func jsonProgress(p []Progress) ([]byte, error) {
	rows := make([]progressRow, len(p))
	for i, one := range p {
		rows[i] = progressRow{one.Attempts, Millis(one.WaitingSince), one.Last, one.Error, one.State, Millis(one.EndedAt), Millis(one.NextAt)}
	}
	return json.Marshal(rows)
}

// plainProgress writes, as encoding/json would and several times as fast, what nearly every settle writes: the
// attempts of one target and nothing else.
func plainProgress(p []Progress) ([]byte, bool) {
	rest := p[0]
	attempts, last := rest.Attempts, rest.Last
	rest.Attempts, rest.Last = 0, nil
	if len(p) != 1 || attempts == 0 || len(last) == 0 || !reflect.ValueOf(rest).IsZero() {
		return nil, false
	}
	b := append(make([]byte, 0, 64), `[{"attempts":`...)
	b = strconv.AppendInt(b, int64(attempts), 10)
	b = append(b, `,"last":`...)
	between := byte('[')
	for _, a := range last {
		b = append(b, between, '[')
		b = strconv.AppendInt(b, Millis(a.At), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(a.Status), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, a.Took.Milliseconds(), 10)
		b = append(b, ']')
		between = ','
	}
	return append(b, "]}]"...), true
}

// DecodeProgress is the inverse of [EncodeProgress].
func DecodeProgress(b []byte) ([]Progress, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var rows []progressRow
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("decoding progress: %w", err)
	}
	p := make([]Progress, len(rows))
	for i, row := range rows {
		p[i] = Progress{
			State: row.State, EndedAt: FromMillis(row.Ended), NextAt: FromMillis(row.Next),
			Attempts: row.Attempts, WaitingSince: FromMillis(row.Waiting), Last: row.Last, Error: row.Error,
		}
	}
	return p, nil
}

// MarshalJSON writes [ms since 1970, status, ms it took].
func (a Attempt) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]int64{Millis(a.At), int64(a.Status), a.Took.Milliseconds()})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (a *Attempt) UnmarshalJSON(b []byte) error {
	var row [3]int64
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	*a = Attempt{At: FromMillis(row[0]), Status: int(row[1]), Took: time.Duration(row[2]) * time.Millisecond}
	return nil
}
