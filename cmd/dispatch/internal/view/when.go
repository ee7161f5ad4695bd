package view

import (
	"fmt"
	"time"
)

// When says how far an instant is from now: "in 3 min", "2 h ago", "now".
func When(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero():
		return "never"
	case d > -time.Second && d < time.Second:
		return "now"
	case d > 0:
		return "in " + Span(d)
	default:
		return Span(-d) + " ago"
	}
}

// Span says a duration in one unit, two where that tells much: "45 s", "1 h 20 min", "3 days".
func Span(d time.Duration) string {
	seconds, minutes, hours := int(d.Round(time.Second).Seconds()), int(d.Round(time.Minute).Minutes()), int(d.Round(time.Hour).Hours())
	switch { // each by what it would say
	case seconds < 120:
		return fmt.Sprintf("%d s", seconds)
	case minutes < 120:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 600 && minutes%60 > 0:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	case hours < 48:
		return fmt.Sprintf("%d h", hours)
	default:
		return fmt.Sprintf("%d days", int((d+12*time.Hour).Hours()/24))
	}
}
