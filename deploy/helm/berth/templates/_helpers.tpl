{{- define "berth.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "berth.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "berth.labels" -}}
{{ include "berth.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "berth.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "berth.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* Whether pods need a volume of their own. */}}
{{- define "berth.hasData" -}}
{{- if or (eq .Values.storage.driver "filesystem") (eq .Values.database.driver "sqlite") }}yes{{ end }}
{{- end }}

{{/* What several pods cannot share is refused here, not found out later. */}}
{{- define "berth.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if eq .Values.database.driver "sqlite" }}{{ fail "replicas above 1 need database.driver=postgres: SQLite is a file of one node (one pod may have several workers)" }}{{ end }}
{{- if and (eq .Values.storage.driver "filesystem") (not (has "ReadWriteMany" .Values.persistence.accessModes)) (not .Values.persistence.existingClaim) }}{{ fail "replicas above 1 need an object store (storage.driver), or a volume that all pods share (persistence.accessModes: [ReadWriteMany])" }}{{ end }}
{{- end }}
{{- if and (eq .Values.database.driver "postgres") (not (or .Values.existingSecret (hasKey .Values.secretEnv "REGISTRY_DATABASE_URL") .Values.extraEnv)) }}{{ fail "database.driver=postgres needs REGISTRY_DATABASE_URL: in secretEnv, existingSecret or extraEnv" }}{{ end }}
{{- end }}

{{- define "berth.config" -}}
{{- $storage := dict "delete" (dict "enabled" true) }}
{{- $_ := set $storage .Values.storage.driver (ternary (dict "rootdirectory" "/var/lib/registry") dict (eq .Values.storage.driver "filesystem")) }}
{{- $http := dict "addr" ":5000" "draindelay" .Values.drain.delay "draintimeout" .Values.drain.timeout "headers" (dict "X-Content-Type-Options" (list "nosniff")) }}
{{- if .Values.url }}{{ $_ := set $http "host" .Values.url }}{{ end }}
{{- if .Values.trustedProxies }}{{ $_ := set $http "trustedproxies" .Values.trustedProxies }}{{ else if .Values.ingress.enabled }}{{ $_ := set $http "trustedproxies" (list "loopback" "private") }}{{ end }}
{{- if .Values.metrics.enabled }}{{ $_ := set $http "debug" (dict "addr" (printf ":%d" (int .Values.metrics.port)) "prometheus" (dict "enabled" true)) }}{{ end }}
{{- $config := dict "version" "0.1" "log" (dict "formatter" "json") "storage" $storage "http" $http "auth" "accounts" }}
{{- if eq .Values.database.driver "postgres" }}{{ $_ := set $config "database" (dict "driver" "postgres") }}{{ end }}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.config)) }}
{{- end }}
