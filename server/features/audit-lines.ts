/**
 * Audit records as JSON lines in the field names of the Elastic Common Schema, with a top-level `action` besides (`{"term":{"action":"tag.moved"}}`).
 * Every text comes from clients: no line can be forged (log-text.ts), and nothing secret is in a record in the first place.
 */
import type { RecordedEvent } from '#events/event.ts'
import { jsonLine } from '#lib/log-text.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Where the line comes from: version and name of this process, the same in each line. */
export interface LineSource {
  readonly version: string
  readonly node: string
}

/** A manifest that was sent to somebody. */
export interface Pull {
  readonly at: number
  readonly repository: RepositoryName
  /** That owns the repository. */
  readonly project?: string | undefined
  readonly projectId?: number | undefined
  readonly digest: Digest
  readonly tag?: string | undefined
  /** Of a file that was read out of the image by itself. */
  readonly path?: string | undefined
  readonly actor: string
  readonly actorKey: string
  readonly credential: string
  readonly address: string
  readonly userAgent: string
  readonly requestId: string
}

type Category = 'package' | 'iam' | 'authentication' | 'configuration'
type Kind = 'creation' | 'deletion' | 'change' | 'access' | 'start' | 'end' | 'info'

/** By the word before the dot of an action. */
const categories: Readonly<Record<string, Category>> = {
  manifest: 'package',
  tag: 'package',
  blob: 'package',
  file: 'package',
  repository: 'package',
  upload: 'package',
  label: 'package',
  user: 'iam',
  'second-factor': 'iam',
  identity: 'iam',
  group: 'iam',
  role: 'iam',
  grant: 'iam',
  robot: 'iam',
  token: 'iam',
  session: 'authentication',
  login: 'authentication',
  access: 'authentication',
  bearer: 'authentication',
}

/** By the word after the dot; what is not here is a change. */
const kinds: Readonly<Record<string, Kind>> = {
  created: 'creation',
  added: 'creation',
  pushed: 'creation',
  mounted: 'creation',
  linked: 'creation',
  'member-added': 'creation',
  'secret-added': 'creation',
  'trust-added': 'creation',
  deleted: 'deletion',
  removed: 'deletion',
  revoked: 'deletion',
  unlinked: 'deletion',
  cancelled: 'deletion',
  purged: 'deletion',
  'member-removed': 'deletion',
  'secret-revoked': 'deletion',
  'trust-removed': 'deletion',
  pulled: 'access',
  read: 'access',
  refused: 'access',
  exported: 'access',
  tested: 'info',
  opened: 'start',
  closed: 'end',
  succeeded: 'start',
  failed: 'start',
  issued: 'start',
}

/** One line with its newline. Members that say nothing are left out. */
export function eventLine(event: RecordedEvent, source: LineSource): string {
  const members = event as RecordedEvent & Partial<Record<'repository' | 'digest' | 'tag' | 'project' | 'target', string>>
  return lineOf(source, {
    ...members,
    id: String(event.id),
    outcome: event.outcome ?? 'success',
    count: event.count ?? 1,
    detail: event.detail ?? {},
  })
}

/** The line of a pull, which has no id: it is in no table. */
export function pullLine({ path, ...pull }: Pull, source: LineSource): string {
  const what = path === undefined ? { action: 'manifest.pulled', detail: {} } : { action: 'file.read', detail: { path } }
  return lineOf(source, { ...pull, ...what, outcome: 'success', count: 1 })
}

interface Said {
  readonly id?: string | undefined
  readonly at: number
  readonly action: string
  readonly outcome: 'success' | 'failure'
  readonly reason?: string | undefined
  readonly count: number
  readonly actor: string
  readonly actorKey?: string | undefined
  readonly credential?: string | undefined
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  readonly requestId: string
  readonly repository?: string | undefined
  readonly digest?: string | undefined
  readonly tag?: string | undefined
  readonly project?: string | undefined
  readonly projectId?: number | undefined
  readonly target?: string | undefined
  readonly detail: object
}

function lineOf(source: LineSource, said: Said): string {
  const line = {
    '@timestamp': new Date(said.at).toISOString(),
    action: said.action,
    'ecs.version': '8.17.0',
    ...eventFields(said),
    'user.name': said.actor,
    'user.id': said.actorKey,
    'source.ip': said.address,
    'user_agent.original': said.userAgent,
    'http.request.id': said.requestId,
    'organization.id': said.projectId === undefined || said.projectId === null ? undefined : String(said.projectId),
    'organization.name': said.project,
    'container.image.name': said.repository,
    'container.image.tag': said.tag === undefined ? undefined : [said.tag],
    'container.image.hash.all': said.digest === undefined ? undefined : [said.digest],
    ...serviceFields(source),
    'berth.credential': said.credential,
    'berth.target': said.target,
    'berth.count': said.count,
    'berth.detail': Object.keys(said.detail).length === 0 ? undefined : said.detail,
  }
  return `${jsonLine(JSON.stringify(line, (_key, value: unknown) => (value === '' ? undefined : value)))}\n`
}

/** A tag that was not there is made by its first move. */
function kindOf({ action, detail }: Said): Kind {
  if (action === 'tag.moved' && !('previousDigest' in detail)) return 'creation'
  return kinds[action.split('.')[1] ?? ''] ?? 'change'
}

function eventFields(said: Said) {
  const { id, action, outcome, reason } = said
  const [kind = '', verb = ''] = action.split('.')
  const type: readonly string[] = [kindOf(said), ...(verb === 'refused' || reason === 'DENIED' ? ['denied'] : [])]
  return {
    'event.id': id,
    'event.kind': 'event',
    'event.category': [categories[kind] ?? 'configuration'],
    'event.type': type,
    'event.action': action,
    'event.outcome': outcome,
    'event.reason': reason,
    'event.dataset': 'berth.audit',
  }
}

function serviceFields({ version, node }: LineSource) {
  return { 'service.name': 'berth', 'service.version': version, 'service.node.name': node }
}
