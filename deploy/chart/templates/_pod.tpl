{{/* What a job runs, and when it has failed: (dict "root" $ "job" JOB). */}}
{{- define "lifeboat.jobSpec" -}}
{{- $values := .root.Values }}
{{- $name := include "lifeboat.name" .root }}
{{- $files := "" }}
{{- if eq .job.role "backup" }}{{ $files = $values.backup.existingFilesSecret }}{{ end -}}
activeDeadlineSeconds: {{ .job.activeDeadlineSeconds }}
ttlSecondsAfterFinished: 604800
backoffLimit: 3
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
    - action: FailJob
      onExitCodes: {containerName: lifeboat, operator: In, values: [3, 4, 6, 7, 8, 9, 11, 12, 64]}
template:
  metadata:
    # Without app.kubernetes.io/instance, by which the backup may look for the application.
    labels: {{- include "lifeboat.selector" .root | nindent 6 }}
  spec:
    serviceAccountName: {{ $name }}-{{ .job.role }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    restartPolicy: Never
    terminationGracePeriodSeconds: 30
    securityContext:
      runAsNonRoot: true
      runAsUser: {{ $values.app.runAsUser | int }}
      runAsGroup: {{ $values.app.runAsGroup | int }}
      {{- if ne $values.app.fsGroup nil }}
      fsGroup: {{ $values.app.fsGroup | int }}
      fsGroupChangePolicy: OnRootMismatch
      {{- else if has "report" .job.volumes }}
      fsGroup: {{ $values.app.runAsGroup | int }} # the report's own claim is root's without one
      fsGroupChangePolicy: OnRootMismatch
      {{- end }}
      seccompProfile: {type: RuntimeDefault}
    {{- if .job.app }}
    affinity:
      podAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            labelSelector:
              matchExpressions:
                {{- range $key, $value := include "lifeboat.podLabels" .root | fromYaml }}
                - {key: {{ $key | quote }}, operator: In, values: [{{ $value | quote }}]}
                {{- end }}
    {{- end }}
    containers:
      - name: lifeboat
        image: "{{ $values.image.repository }}:{{ $values.image.tag | default (.root.Chart.AppVersion | replace "+" "-") }}"
        imagePullPolicy: {{ $values.image.pullPolicy }}
        args: {{- .job.args | toYaml | nindent 10 }}
        env:
          {{- if and $files (eq .job.name "backup") }}
          - {name: LIFEBOAT_PING_URL_FILE, value: /run/secrets/lifeboat/ping-url}
          {{- end }}
          {{- $secret := include "lifeboat.secret" (dict "root" .root "role" .job.role) }}
          {{- if $files }}
          - {name: AWS_SHARED_CREDENTIALS_FILE, value: /run/secrets/lifeboat/credentials}
          {{- end }}
          - {name: AWS_EC2_METADATA_DISABLED, value: "true"}
          {{- /* The URL in the backup's Secret is for the notices of the hourly backup. */}}
          {{- if and (ne .job.name "backup") (or (eq .job.role "backup") (and $secret (eq $secret (include "lifeboat.secret" (dict "root" .root "role" "backup"))))) }}
          - {name: LIFEBOAT_PING_URL, value: ""}
          {{- end }}
          {{- if .job.app }}
          - name: NAMESPACE
            valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
          - {name: LIFEBOAT_NAME, value: $(NAMESPACE)$(DATABASE)}
          - {name: LIFEBOAT_CACHE_DIR, value: /data/.lifeboat}
          {{- end }}
          {{- if has "profiles" .job.volumes }}
          - {name: AWS_CONFIG_FILE, value: /etc/lifeboat/aws/config}
          {{- end }}
        envFrom:
          - configMapRef: {name: {{ $name }}}
          {{- with $secret }}
          - secretRef: {name: {{ . }}}
          {{- end }}
        {{- if or $files .job.volumes }}
        volumeMounts:
          {{- if $files }}
          - {name: secrets, mountPath: /run/secrets/lifeboat, readOnly: true}
          {{- end }}
          {{- range without (.job.volumes | default list) "profiles" }}
          - {name: {{ . }}, mountPath: /{{ . }}}
          {{- end }}
          {{- if has "profiles" .job.volumes }}
          - {name: profiles, mountPath: /etc/lifeboat/aws, readOnly: true}
          {{- end }}
        {{- end }}
        securityContext:
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
        resources: {{- $values.resources | toYaml | nindent 10 }}
    {{- if or $files .job.volumes }}
    volumes:
      {{- if $files }}
      - name: secrets
        secret: {secretName: {{ $files }}, defaultMode: 292} # 0444: root's, without an fsGroup
      {{- end }}
      {{- if has "data" .job.volumes }}
      - name: data
        persistentVolumeClaim: {claimName: {{ $values.claim }}}
      {{- end }}
      {{- if has "tmp" .job.volumes }}
      - name: tmp
        emptyDir: {sizeLimit: {{ $values.tempSize }}}
      {{- end }}
      {{- if has "report" .job.volumes }}
      - name: report
        persistentVolumeClaim: {claimName: {{ $name }}-report}
      {{- end }}
      {{- if has "profiles" .job.volumes }}
      - name: profiles
        secret: {secretName: {{ $values.copy.existingSecret }}, defaultMode: 292} # 0444: root's, without an fsGroup
      {{- end }}
    {{- end }}
{{- end }}
