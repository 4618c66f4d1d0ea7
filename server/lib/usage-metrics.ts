/** How much there is, for Prometheus. Series by project are those with a limit, a bounded number of them: names of projects are people's to choose. */
import { Gauge, type Registry as PrometheusRegistry } from 'prom-client'

/** What is read at each scrape. */
export interface UsageFigures {
  readonly system: Readonly<Record<'bytes' | 'logicalBytes' | 'blobs' | 'manifests' | 'tags' | 'repositories', number>>
  /** Those with a limit of bytes, as many as are to be exposed. */
  readonly projects: readonly { readonly project: string; readonly bytes: number; readonly bytesMax: number }[]
  readonly pendingRecounts: number
}

const systemSeries = [
  ['bytes', 'registry_usage_bytes', 'Bytes of all blobs, each once, and of documents'],
  ['logicalBytes', 'registry_usage_logical_bytes', 'Bytes of all manifests with all their blobs, as if nothing were shared'],
  ['blobs', 'registry_usage_blobs', 'Blobs'],
  ['manifests', 'registry_usage_manifests', 'Manifests'],
  ['tags', 'registry_usage_tags', 'Tags'],
  ['repositories', 'registry_usage_repositories', 'Repositories'],
] as const

/** Adds the series to the registry; `read` is asked once a scrape, for all of them together. */
export function watchUsage(registry: PrometheusRegistry, read: () => Promise<UsageFigures>): void {
  let reading: Promise<UsageFigures> | undefined
  // Series are collected at the same time: the first one to be asked reads.
  const figures = () => (reading ??= read().finally(() => (reading = undefined)))
  const watch = (name: string, help: string, set: (gauge: Gauge, found: UsageFigures) => void, labelNames: readonly string[] = []) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        set(this, await figures())
      },
    })
  for (const [member, name, help] of systemSeries) watch(name, help, (gauge, { system }) => gauge.set(system[member]))
  watch('registry_usage_recounts_pending', 'Projects whose usage is being counted anew', (gauge, { pendingRecounts }) =>
    gauge.set(pendingRecounts),
  )
  const watchProjects = (name: string, help: string, member: 'bytes' | 'bytesMax') =>
    watch(name, help, (gauge, { projects }) => setProjects(gauge, projects, member), ['project'])
  watchProjects('registry_project_usage_bytes', 'Bytes that a project with a limit uses, those below it included', 'bytes')
  watchProjects('registry_project_quota_bytes', 'Bytes that a project may use', 'bytesMax')
}

function setProjects(gauge: Gauge, projects: UsageFigures['projects'], member: 'bytes' | 'bytesMax'): void {
  gauge.reset()
  for (const each of projects) gauge.set({ project: each.project }, each[member])
}
