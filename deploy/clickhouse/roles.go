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

// settings are those of the profile that roles.sql gives a role: "name = value", and MIN, MAX and CHANGEABLE_IN_READONLY behind it.
func settings(role string) (all []string) {
	for _, s := range statements() {
		if profile, ok := strings.CutPrefix(s, "CREATE SETTINGS PROFILE IF NOT EXISTS "); ok && strings.HasSuffix(profile, " TO "+role) {
			_, list, _ := strings.Cut(strings.TrimSuffix(profile, " TO "+role), " SETTINGS ")
			all = append(all, strings.Split(list, ", ")...)
		}
	}
	return all
}

// UsersXML is a file for users.d of a ClickHouse without SQL-driven access control: a user without a password for each role, of its name, on loopback.
func UsersXML() string {
	var users, profiles strings.Builder
	for _, name := range RoleNames() {
		fmt.Fprintf(&users, "<%s><password></password><networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>role_%[1]s</profile><quota>default</quota><grants>\n", name)
		for _, g := range Grants(name) {
			users.WriteString("<query>")
			_ = xml.EscapeText(&users, []byte(g)) // a strings.Builder takes everything
			users.WriteString("</query>\n")
		}
		fmt.Fprintf(&users, "</grants></%s>\n", name)
		fmt.Fprintf(&profiles, "<role_%s><profile>default</profile>", name)
		var constraints strings.Builder
		for _, s := range settings(name) {
			words := strings.Fields(s)
			fmt.Fprintf(&profiles, "<%s>%s</%[1]s>", words[0], words[2])
			var c string
			for i, w := range words {
				switch w {
				case "MIN", "MAX":
					c += fmt.Sprintf("<%s>%s</%[1]s>", strings.ToLower(w), words[i+1])
				case "CHANGEABLE_IN_READONLY":
					c += "<changeable_in_readonly/>"
				}
			}
			if c != "" {
				fmt.Fprintf(&constraints, "<%s>%s</%[1]s>", words[0], c)
			}
		}
		fmt.Fprintf(&profiles, "<constraints>%s</constraints>", constraints.String())
		fmt.Fprintf(&profiles, "</role_%s>\n", name)
	}
	return "<clickhouse><users>\n" + users.String() + "</users><profiles>\n" + profiles.String() + "</profiles></clickhouse>\n"
}
