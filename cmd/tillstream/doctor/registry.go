package doctor

import "strings"

func (r *report) registry(f *Facts) {
	r.area = "registry"
	x := &f.Registry
	switch {
	case x.Err != nil:
		r.add("readable", Fail, "", "%v", x.Err)
		return
	case !x.Asked:
		r.add("readable", Skip, "", "ClickHouse must answer and be migrated first")
		return
	}
	const apply = "register them with tillstream apply (docs/registry.md)"
	s := &x.Stores
	switch {
	case x.Revision == 0 && s.Unregistered == 0:
		r.add("stores", Warn, apply, "nothing is registered: every store counts as always open")
	case s.Unregistered > 0:
		r.add("stores", Warn, apply, "%s that sent something and are not registered (%s …): they count as always open", plural(int(s.Unregistered), "store"), strings.Join(s.UnregisteredNames, ", "))
	default:
		r.ok("stores", "%s registered, no other sent anything", plural(int(s.Registered), "store"))
	}
	if s.WithoutHours > 0 {
		r.add("hours", Warn, "give them a calendar, or one of daily 00:00-24:00 if they never close", "%s without opening hours (%s …): their nights count as time of service", plural(int(s.WithoutHours), "store"), strings.Join(s.WithoutHoursNames, ", "))
	} else if s.Registered > 0 {
		r.ok("hours", "all registered stores have opening hours")
	}
	if s.Scattered > 0 {
		r.add("keys", Warn, "let the records of every topic have the key store_id; where partitions were added, see docs/operations.md#a-store-in-several-partitions",
			"events of %s came through several partitions (%s …): each knows only its own, so their availability is wrong and what is sent again through another partition counts twice",
			plural(int(s.Scattered), "store"), strings.Join(s.ScatteredNames, ", "))
	}
	if x.Sent < x.Revision {
		r.add("sent", Fail, "run tillstream apply again with the same files", "revision %d is registered, but the lanes were told only up to %d", x.Revision, x.Sent)
	} else if x.Revision > 0 {
		r.ok("sent", "the lanes were told of revision %d", x.Revision)
	}
	if x.Revision > 0 {
		if x.Invalid != nil {
			r.add("valid", Fail, "mend the files and run tillstream apply again", "%s", strings.ReplaceAll(x.Invalid.Error(), "\n", "; "))
		} else {
			r.ok("valid", "%s and all else that is registered is valid", plural(x.Agreements, "agreement"))
		}
	}
}
