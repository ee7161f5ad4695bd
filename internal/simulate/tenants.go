package simulate

import "strings"

// The tenants of a run: one that may have limits, and one that has none.
const (
	red  = "red"
	blue = "blue"
)

// drawTenants decides whether tasks are on behalf of tenants, and what the one may use, in a quarter of the runs.
func (p *plan) drawTenants() {
	d := newDice(p.seed, "tenants")
	if p.tenants = d.chance(0.25); p.tenants {
		p.red.InFlight, p.red.Rate = d.below(3), float64(d.below(2))
	}
}

// tenant is on whose behalf a task is.
func (p *plan) tenant(id string) string {
	if !p.tenants {
		return ""
	}
	return one(newDice(p.seed, "tenant", id), red, red, blue, "")
}

// tenanted says that a row is of the tenant that it was asked for, and in that one's lanes, and a callback's as its task's.
func (c *checker) tenanted(t *task) {
	if t.row == nil {
		return
	}
	id, _, _ := strings.Cut(t.id, "/")
	is, lane := text(t.row, "tenant"), text(t.row, "lane")
	if want := c.wanted[id].Tenant; is != want {
		c.broken("%s is of the tenant %q, and not of %q", t.id, is, want)
	}
	if lane != "" && is != "" && !strings.Contains(lane, "~"+is) {
		c.broken("%s is of the tenant %q, and in the lane %s", t.id, is, lane)
	}
}
