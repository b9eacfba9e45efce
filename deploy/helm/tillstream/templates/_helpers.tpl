{{- define "tillstream.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tillstream.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tillstream.labels" -}}
{{ include "tillstream.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tillstream.account" -}}
{{ .Values.serviceAccount.name | default (include "tillstream.name" .) }}
{{- end }}

{{- define "tillstream.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What the chart says of the configuration wins over what values say. */}}
{{- define "tillstream.config" -}}
{{- $files := "/run/secrets/tillstream/" }}
{{- $own := dict "listen" "0.0.0.0:9464" "privacy" (dict "secret_file" (print $files .Values.secret.pseudonymsKey)) }}
{{- with .Values.secret.clickhousePasswordKey }}{{ $_ := set $own "clickhouse" (dict "password_file" (print $files .)) }}{{ end }}
{{- with .Values.secret.kafkaPasswordKey }}{{ $_ := set $own "kafka" (dict "sasl" (dict "password_file" (print $files .))) }}{{ end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) }}
{{- end }}

{{- define "tillstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tillstream.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tillstream.env" -}}
{{- with .Values.goMemoryLimit }}
- {name: GOMEMLIMIT, value: {{ . | quote }}}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tillstream.mounts" -}}
- {name: config, mountPath: /etc/tillstream, readOnly: true}
- {name: secret, mountPath: /run/secrets/tillstream, readOnly: true}
{{- with .Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tillstream.volumes" -}}
- name: config
  configMap: {name: {{ include "tillstream.name" . }}}
- name: secret
  secret: {secretName: {{ .Values.secret.name }}, defaultMode: 0440}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
