package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// The oracle reads an event with encoding/json and fills an Event by reflection: another decoder, slow and general, that shares nothing
// with the real one but the pseudonyms. A JSON name is a Go name in snake case, except for those listed.

var jsonNames = map[string]string{
	"OldestAt": "oldest_at", "HeartbeatInterval": "heartbeat_interval_s", "IDs": "ids", "CPUPct": "cpu_pct", "SignalDBM": "signal_dbm",
	"LossPPM": "loss_ppm", "RatePPM": "rate_ppm", "DiskFreeMB": "disk_free_mb", "Last4": "last4", "UptimeS": "uptime_s", "GTIN": "gtin", "GLN": "gln",
}

func jsonName(field string) string {
	if n, ok := jsonNames[field]; ok {
		return n
	}
	field = strings.NewReplacer("IDs", "Ids", "ID", "Id", "MS", "Ms").Replace(field)
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// oracle decodes a valid event.
func oracle(secret, value []byte) (e Event, err error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return e, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("oracle: %v", r)
		}
	}()
	into(reflect.ValueOf(&e.Envelope).Elem(), m)
	into(reflect.ValueOf(&e.Transaction).Elem(), m)
	into(reflect.ValueOf(&e.Health).Elem(), m)
	t := &e.Transaction
	if c, _ := m["customer"].(map[string]any); c != nil && c["id"] != nil && c["id"] != "" {
		t.Customer.Pseudonym = Pseudonym(secret, t.Customer.Type, c["id"].(string))
	}
	if o, _ := m["operator"].(string); o != "" {
		t.Operator = Pseudonym(secret, "operator", o)
	}
	for i := range t.Tenders {
		if ref, _ := m["tenders"].([]any)[i].(map[string]any)["payment_ref"].(string); ref != "" {
			t.Tenders[i].PaymentRef = Pseudonym(secret, "payment_ref", ref)
		}
	}
	return e, nil
}

func into(v reflect.Value, m map[string]any) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if raw, ok := m[jsonName(field.Name)]; ok && raw != nil && field.IsExported() {
			set(v.Field(i), raw, field.Name)
		}
	}
}

func set(v reflect.Value, raw any, name string) {
	switch p := v.Addr().Interface().(type) {
	case *Time:
		t, err := time.Parse(time.RFC3339Nano, raw.(string))
		if err != nil {
			panic(err)
		}
		_, offset := t.Zone()
		*p = Time{Milli: t.UnixMilli(), Offset: int32(offset), OK: true}
		return
	case *Opt[int32]: // a date
		t, err := time.Parse(time.DateOnly, raw.(string))
		if err != nil {
			panic(err)
		}
		*p = Some(int32(t.Unix() / 86400))
		return
	case *uint64:
		if name == "Operator" || name == "PaymentRef" || name == "Pseudonym" {
			return // set by oracle
		}
	}
	if v.Kind() == reflect.Struct && v.NumField() == 2 && v.Type().Field(1).Name == "OK" {
		set(v.Field(0), raw, name)
		v.Field(1).SetBool(true)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(raw.(string))
	case reflect.Bool:
		v.SetBool(raw.(bool))
	case reflect.Int64:
		n := new(big.Rat)
		if _, ok := n.SetString(raw.(json.Number).String()); !ok {
			panic(raw)
		}
		if name == "Quantity" {
			n.Mul(n, big.NewRat(1000, 1))
		}
		if !n.IsInt() || !n.Num().IsInt64() {
			panic(raw)
		}
		v.SetInt(n.Num().Int64())
	case reflect.Uint32, reflect.Uint64:
		n, err := raw.(json.Number).Int64()
		if err != nil || n < 0 {
			panic(raw)
		}
		v.SetUint(uint64(n))
	case reflect.Struct:
		into(v, raw.(map[string]any))
	case reflect.Slice:
		for i, x := range raw.([]any) {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			set(v.Index(i), x, name)
		}
	default:
		panic(v.Kind())
	}
}
