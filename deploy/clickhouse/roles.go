// Package clickhouse holds what operators run on their ClickHouse: roles.sql, the roles with what each may do.
package clickhouse

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"strings"
)

// Roles are roles.sql.
//
//go:embed roles.sql
var Roles string

// statements are those of roles.sql, without comments.
func statements() (all []string) {
	var b strings.Builder
	for line := range strings.Lines(Roles) {
		if !strings.HasPrefix(line, "--") {
			b.WriteString(line)
		}
	}
	for _, s := range strings.Split(b.String(), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// Grants are what a role may do: GRANT and REVOKE statements without their grantee, in order, those of roles granted to it first. It is none of a role that roles.sql does not
// create.
func Grants(role string) (grants []string) {
	for _, s := range statements() {
		i := strings.LastIndex(s, " ") // before the role
		verb := strings.LastIndex(s[:max(i, 0)], " ")
		if verb < 0 || s[i+1:] != role || !strings.HasPrefix(s, "GRANT ") && !strings.HasPrefix(s, "REVOKE ") {
			continue
		}
		what := s[:verb]
		if inner := strings.TrimPrefix(what, "GRANT "); !strings.Contains(inner, " ") {
			grants = append(grants, Grants(inner)...)
			continue
		}
		grants = append(grants, what)
	}
	return grants
}

// RoleNames are the roles of roles.sql.
func RoleNames() (names []string) {
	for _, s := range statements() {
		if name, ok := strings.CutPrefix(s, "CREATE ROLE IF NOT EXISTS "); ok {
			names = append(names, name)
		}
	}
	return names
}

// UsersXML is a file for users.d of a ClickHouse without SQL-driven access control: a user without a password for each role, of its name, on loopback.
func UsersXML() string {
	var b strings.Builder
	b.WriteString("<clickhouse><users>\n")
	for _, name := range RoleNames() {
		fmt.Fprintf(&b, "<%s><password></password><networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>default</profile><quota>default</quota><grants>\n", name)
		for _, g := range Grants(name) {
			b.WriteString("<query>")
			_ = xml.EscapeText(&b, []byte(g)) // a strings.Builder takes everything
			b.WriteString("</query>\n")
		}
		fmt.Fprintf(&b, "</grants></%s>\n", name)
	}
	b.WriteString("</users></clickhouse>\n")
	return b.String()
}
