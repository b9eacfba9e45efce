package embedded

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
	"text/template"
)

// configXML is the server's configuration. Pools and caches fit two cores and a demo: by default caches alone may take 15 GiB.
const configXML = `<clickhouse>
  <display_name>{{.ID}}</display_name>
  <users_config>{{.Users}}</users_config>
  <logger><level>warning</level><log>{{.Log}}</log><errorlog>{{.ErrorLog}}</errorlog><size>10M</size><count>3</count></logger>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{{.Memory}}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <compiled_expression_cache_size>33554432</compiled_expression_cache_size>
  <keep_alive_timeout>60</keep_alive_timeout>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
{{- if .Logs}}
  <query_log><database>system</database><table>query_log</table></query_log>
  <part_log><database>system</database><table>part_log</table></part_log>
{{- end}}
</clickhouse>
`

// usersXML has default, for ourselves on loopback (the engine's own session needs it without a password), and reader, for whoever
// comes through the proxy. Clients must be able to change settings, hence readonly 2, but not those that protect the rest of us.
const usersXML = `<clickhouse>
  <users>
    <default><password></password><profile>default</profile><quota>default</quota><networks><ip>127.0.0.1</ip><ip>::1</ip></networks></default>
    <reader><password></password><profile>reader</profile><quota>default</quota><networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <default_database>pos</default_database>
      <grants><query>GRANT SELECT ON pos.*</query></grants></reader>
  </users>
  <profiles>
    <default><log_queries>0</log_queries></default>
    <reader>
      <readonly>2</readonly><log_queries>0</log_queries><add_http_cors_header>0</add_http_cors_header>
      <max_execution_time>60</max_execution_time><max_memory_usage>{{.ReaderMemory}}</max_memory_usage>
      <max_memory_usage_for_user>{{.ReaderMemory}}</max_memory_usage_for_user><max_concurrent_queries_for_user>20</max_concurrent_queries_for_user>
      <constraints>
        <max_execution_time><min>1</min><max>60</max></max_execution_time>
        <max_memory_usage><min>1</min><max>{{.ReaderMemory}}</max></max_memory_usage>
        <max_threads><max>64</max></max_threads>
        <max_memory_usage_for_user><const/></max_memory_usage_for_user>
        <max_concurrent_queries_for_user><const/></max_concurrent_queries_for_user>
        <max_parser_depth><const/></max_parser_depth>
        <add_http_cors_header><const/></add_http_cors_header>
      </constraints>
    </reader>
  </profiles>
  <quotas><default></default></quotas>
</clickhouse>
`

// startSQL is what the child runs first; then it waits for the end of the pipe.
const startSQL = "SYSTEM START LISTEN HTTP;\nSYSTEM START LISTEN TCP;\n"

// writeConfig writes what the child reads at each start.
func (e *Engine) writeConfig() error {
	values := struct {
		ID, Users, Log, ErrorLog string
		Memory, ReaderMemory     int64
		Logs                     bool
	}{
		ID: e.id, Users: escaped(e.path("users.xml")), Log: escaped(e.path("clickhouse.log")), ErrorLog: escaped(e.path("clickhouse.err.log")),
		Memory: e.cfg.MemoryBytes, ReaderMemory: e.cfg.MemoryBytes / 2,
		Logs: e.cfg.Logs,
	}
	for name, text := range map[string]string{"config.xml": configXML, "users.xml": usersXML, "start.sql": startSQL} {
		t, err := template.New(name).Parse(text)
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		var b strings.Builder
		if err := t.Execute(&b, values); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := os.WriteFile(e.path(name), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
