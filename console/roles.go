package console

import (
	"context"
	"slices"
	"time"
)

// Roles are what somebody may do here. Each is of its own: an operator need not know what is sold.
type Roles uint8

const (
	// Viewer sees tills, stores, events and agreements: of pos what ClickHouse's role auditor may read.
	Viewer Roles = 1 << iota
	// Analyst sees what a viewer does, and sales and groups of customers.
	Analyst
	// Operator sees what a viewer does, and sends dead letters again.
	Operator
)

// has says whether one of them is there.
func (r Roles) has(any Roles) bool { return r&any != 0 }

// Groups are those of an OpenID provider whose members have a role; "*" is whoever logs in.
type Groups struct{ Viewers, Analysts, Operators []string }

// Names are all that matter.
func (g Groups) Names() []string { return slices.Concat(g.Viewers, g.Analysts, g.Operators) }

func (g Groups) roles(of []string) Roles {
	var r Roles
	for role, names := range map[Roles][]string{Viewer: g.Viewers, Analyst: g.Analysts, Operator: g.Operators} {
		if slices.ContainsFunc(names, func(n string) bool { return n == "*" || slices.Contains(of, n) }) {
			r |= role
		}
	}
	return r
}

// visitor is who looks.
type visitor struct {
	name   string // empty: nobody had to log in
	roles  Roles
	logout bool      // there is a session that can be ended
	until  time.Time // when it ends by itself; zero: it does not
}

type visitorKey struct{}

func withVisitor(ctx context.Context, v visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// visitorOf is nobody, without a role, where guard was not passed.
func visitorOf(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v
}
