package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// loginPath is where the console takes browsers that a provider sends back.
const loginPath = "/console/login"

func (o *OIDC) validate() []error {
	var problems []error
	wrong := func(key, accepts, given string) {
		problems = append(problems, fmt.Errorf("console.oidc.%s is %s; it takes %s", key, given, accepts))
	}
	groups := slices.Concat(o.Viewers, o.Analysts, o.Operators)
	if o.Issuer == "" {
		if o.ClientID != "" || o.ClientSecret != "" || o.RedirectURL != "" || len(groups) > 0 || o.TLS != (TLS{}) {
			wrong("issuer", "https://host/… where another key of console.oidc is set", "empty")
		}
		return problems
	}
	if u := secure(o.Issuer); u == nil || u.RawQuery != "" || u.Fragment != "" {
		wrong("issuer", "https://host/… without ? and #, or http:// on a loopback address", strconv.Quote(withoutPassword(o.Issuer)))
	}
	if o.ClientID == "" {
		wrong("client_id", "what the provider calls the console", "empty")
	}
	if n := len(o.ClientSecret); n < 16 { // the key of sessions is made of it
		wrong("client_secret", "at least 16 bytes", fmt.Sprintf("of %d bytes", n))
	}
	if u := secure(o.RedirectURL); u == nil || u.Path != loginPath || u.RawQuery != "" || u.Fragment != "" {
		wrong("redirect_url", "https://host"+loginPath+", or http:// on a loopback address", strconv.Quote(withoutPassword(o.RedirectURL)))
	}
	if o.GroupsClaim == "" || slices.Contains(strings.Split(o.GroupsClaim, "."), "") {
		wrong("groups_claim", "the name of a claim", strconv.Quote(o.GroupsClaim))
	}
	for _, s := range o.Scopes {
		if s == "" || strings.ContainsAny(s, " \"\\") {
			wrong("scopes", "names without spaces", strconv.Quote(s))
		}
	}
	if len(groups) == 0 {
		wrong("viewers", `groups, here or in analysts or operators; * is whoever logs in`, "empty")
	}
	if slices.Contains(groups, "") {
		wrong("viewers", "names that are not empty, as do analysts and operators", fmt.Sprintf("%q", groups))
	}
	return problems
}

// secure reads a URL without a password whose traffic nobody else reads; nil if it is another thing.
func secure(s string) *url.URL {
	u := httpURL(s)
	if u == nil || u.User != nil {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return u
	}
	return nil
}
