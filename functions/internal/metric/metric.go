// Package metric writes CloudWatch metrics as log lines, which cost a sweep no request of their own.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metric

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Sweep are the metrics of one sweep. Their namespace is Dispatch and their one dimension the stack.
type Sweep struct {
	Stack            string  `json:"Stack"`
	OldestDueSeconds float64 `json:"OldestDueSeconds"` // how long the oldest task that was handed over had been due; 0 if none was
	HandedOver       int     `json:"HandedOver"`       // hints
	OpenCircuits     int     `json:"OpenCircuits"`     // receivers that fail, whose tasks wait
}

type line struct {
	AWS header `json:"_aws"`
	Sweep
}

type header struct {
	Timestamp         int64 // ms since 1970
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// Write writes the metrics as one line.
func (s Sweep) Write(w io.Writer, now time.Time) error {
	b, err := json.Marshal(line{
		AWS: header{now.UnixMilli(), []directive{{
			Namespace:  "Dispatch",
			Dimensions: [][]string{{"Stack"}},
			Metrics:    []definition{{"OldestDueSeconds", "Seconds"}, {"HandedOver", "Count"}, {"OpenCircuits", "Count"}},
		}}},
		Sweep: s,
	})
	if err != nil {
		return fmt.Errorf("encoding the metrics: %w", err)
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	return nil
}
