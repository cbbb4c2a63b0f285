{{/*
The jobs. Each has the credentials of a role. Those with app run beside the application,
and know the database by its name and their cache. Schedules and deadlines have their
reasons in deploy/kubernetes.
*/}}
{{- define "lifeboat.jobs" -}}
- {{- include "lifeboat.backup" . | nindent 2 }}
- name: restore
  role: restore
  suspend: true
  schedule: 0 0 31 2 * # never, not even if all CronJobs are resumed
  startingDeadlineSeconds: 10
  activeDeadlineSeconds: 21600
  args: [restore, $(BUCKET_URL), $(DATABASE), --replace]
  volumes: [data, tmp]
{{- if .Values.drill.enabled }}
- {{- include "lifeboat.drill" . | nindent 2 }}
{{- end }}
{{- if .Values.compact.enabled }}
- name: compact
  role: backup
  schedule: {{ .Values.compact.schedule | quote }}
  startingDeadlineSeconds: 43200
  activeDeadlineSeconds: 21600
  args: [backup, $(DATABASE), $(BUCKET_URL)-compact, --method, vacuum]
  app: true
  volumes: [data, tmp]
{{- end }}
{{- if .Values.report.enabled }}
- name: report
  role: drill
  schedule: {{ .Values.report.schedule | quote }}
  startingDeadlineSeconds: 43200
  activeDeadlineSeconds: 3600
  args: [report, $(BUCKET_URL), --every, {{ .Values.report.every | quote }}, --max-age, {{ .Values.status.maxAge | quote }}, --output, /report/index.html]
  volumes: [report]
{{- end }}
{{- if .Values.copy.enabled }}
- name: copy
  role: restore
  schedule: {{ .Values.copy.schedule | quote }}
  startingDeadlineSeconds: 43200
  activeDeadlineSeconds: 21600
  args: [copy, $(BUCKET_URL), $(COPY_URL), --to-profile, second]
  volumes: [profiles]
{{- end }}
{{ include "lifeboat.upkeep" (dict "Values" .Values "series" "" "statusMaxAge" .Values.status.maxAge
  "statusSchedule" .Values.status.schedule "releaseSchedule" .Values.release.schedule "pruneSchedule" .Values.prune.schedule) }}
{{- if .Values.compact.enabled }}
{{ include "lifeboat.upkeep" (merge (dict "Values" .Values "series" "-compact") .Values.compact) }}
{{- end }}
{{- end }}

{{/* The jobs that look after a series: the hourly one, or the one that ends in -compact. */}}
{{- define "lifeboat.upkeep" -}}
{{- if .Values.status.enabled }}
- name: status{{ .series }}
  role: backup
  schedule: {{ .statusSchedule | quote }}
  startingDeadlineSeconds: 21600
  activeDeadlineSeconds: 1800
  args: [status, $(BUCKET_URL){{ .series }}, --max-age, {{ .statusMaxAge | quote }}]
{{- end }}
{{- if .Values.release.enabled }}
- name: release{{ .series }}
  role: release
  schedule: {{ .releaseSchedule | quote }}
  startingDeadlineSeconds: 43200
  activeDeadlineSeconds: 3600
  args: [lifecycle, release, $(BUCKET_URL){{ .series }}]
{{- end }}
{{- if .Values.prune.enabled }}
- name: prune{{ .series }}
  role: prune
  schedule: {{ .pruneSchedule | quote }}
  startingDeadlineSeconds: 43200
  activeDeadlineSeconds: 3600
  args: [prune, $(BUCKET_URL){{ .series }}, --yes]
{{- end }}
{{- end }}

{{- define "lifeboat.backup" -}}
name: backup
role: backup
schedule: {{ .Values.backup.schedule | quote }}
startingDeadlineSeconds: 1800
activeDeadlineSeconds: 3000
args: [backup, $(DATABASE), $(BUCKET_URL)]
app: true
volumes: [data, tmp]
{{- end }}

{{- define "lifeboat.drill" -}}
name: verify
role: {{ ternary "drill" "restore" .Values.report.enabled }}
schedule: {{ .Values.drill.schedule | quote }}
startingDeadlineSeconds: 43200
activeDeadlineSeconds: 21600
args:
  - verify
  - $(BUCKET_URL)
{{- range .Values.drill.sql }}
  - --sql
  - {{ . | quote }}
{{- end }}
{{- if .Values.report.enabled }}
  - --record
{{- end }}
volumes: [tmp]
{{- end }}
