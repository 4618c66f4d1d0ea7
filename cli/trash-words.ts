/** What is said of things of the trash, wherever the trash is: a server's answer and data's have the same members. */
import type { ResponseOf } from '#api/contract.ts'
import type { restoreTag } from '#api/routes/tags.ts'
import type { listTrash, readTrash, restoreTrash } from '#api/routes/trash.ts'
import { plural } from './data-command.ts'

/** A row of the list. */
export type Trash = ResponseOf<typeof listTrash>['items'][number]

/** One of them alone. */
export type TrashDetails = ResponseOf<typeof readTrash>

/** What a restore did. */
export type Restored = ResponseOf<typeof restoreTrash>

/** `team/app:1.2`, `team/app@sha256:…`, `team/app`, `team`. */
export function nameOf({ kind, project, repository = '', digest = '', tags }: Omit<Trash, 'hasMoreTags'>): string {
  if (kind === 'tag') return `${repository}:${tags[0] ?? ''}`
  if (kind === 'manifest') return `${repository}@${digest}`
  return kind === 'repository' ? repository : project
}

/** Of a manifest by name, of a repository how many. */
export function tagsOf({ kind, tags, hasMoreTags, tagCount = 0 }: Trash): string {
  if (kind === 'repository') return `${plural(tagCount, 'tag')}${tagCount === countedTags ? ' or more' : ''}`
  return kind === 'manifest' ? `${tags.join(',')}${hasMoreTags ? ',…' : ''}` : ''
}

const countedTags = 1_000

/** What came back, where it is, and what did not come with it. */
export function describeRestored(restored: Restored): string {
  const { kind, project, repository = '', digest = '', tags = [] } = restored
  const what = { tag: `${repository}:${tags.join()}`, manifest: `${repository}@${digest}`, repository, project }[kind]
  const parts = [`restored ${kind} ${what}`]
  if (kind === 'repository') parts.push(`it is in the project ${project}, which ${readers(restored)}`)
  if (kind === 'project') parts.push(`it is one that ${readers(restored)}`)
  return [...parts, ...(kind === 'tag' || kind === 'manifest' ? tagFacts(restored) : []), ...whatIsNotBack(restored)].join('; ')
}

function tagFacts({ kind, manifests = 0, tags = [], takenTags = [] }: Restored): readonly string[] {
  const parts: string[] = []
  if (manifests > 1) parts.push(`with ${manifests - 1} more that belong to it`)
  if (kind === 'manifest' && tags.length > 0) parts.push(`tagged ${tags.join(', ')}`)
  if (tags.length > 0) parts.push(`${tags.length === 1 ? 'the tag does' : 'the tags do'} not expire: berth tag expire says otherwise`)
  if (takenTags.length > 0) parts.push(`${takenTags.join(', ')} point elsewhere by now and stay there`)
  return parts
}

function whatIsNotBack({ missing, lostLabels, endedNames }: Restored): readonly string[] {
  const parts = [...withoutWhat(missing)]
  if (lostLabels.length > 0) parts.push(`labels that did not come along: ${lostLabels.join(', ')}`)
  if (endedNames.length > 0)
    parts.push(`former names that others led elsewhere meanwhile, and that are its own again: ${endedNames.join(', ')}`)
  return parts
}

function withoutWhat(missing: readonly string[]): readonly string[] {
  return missing.length === 0 ? [] : [`without ${missing.join(', ')}, which it needs: push that again`]
}

function readers({ isPublic }: Restored): string {
  return isPublic ? 'everyone can read' : 'only its members can read'
}

type RestoredTag = Pick<ResponseOf<typeof restoreTag>, 'digest' | 'expiresAt' | 'missing'>

/** Where a tag points that was put back. */
export function describeRestoredTag(tagged: string, { digest, expiresAt, missing }: RestoredTag): string {
  const expiry = expiresAt === undefined ? 'it does not expire: berth tag expire says otherwise' : `it expires at ${expiresAt}`
  return [`${tagged} is ${digest}`, expiry, ...withoutWhat(missing)].join('; ')
}

/** What is to go: with what needs it, as a list has it, or unseen. */
export type Going = TrashDetails | Trash | { readonly id: number }

/** A sentence for each that something needs which does not go with it. */
export function needsOf(all: readonly Going[]): readonly string[] {
  const going = all.filter((item) => 'neededBy' in item)
  const names = new Set(going.filter(({ kind, isHere }) => kind === 'manifest' && !isHere).map(nameOf))
  return going.flatMap((item) => {
    const needers = item.neededBy.filter((digest) => !names.has(nameOf({ ...item, digest })))
    if (needers.length === 0) return []
    const [need, are] = needers.length === 1 ? ['needs', 'is'] : ['need', 'are']
    return [`${nameOf(item)}: ${needers.join(', ')} ${need} it and ${are} broken without it.`]
  })
}

const namedItems = 5

/** `the tag team/app:1.2`, `number 12`; `3 items (the tag team/app:1.2, …)`. */
export function describeGoing(going: readonly Going[]): string {
  const names = going.slice(0, namedItems).map((item) => ('kind' in item ? `the ${item.kind} ${nameOf(item)}` : `number ${item.id}`))
  if (going.length === 1) return names.join()
  const more = going.length > namedItems ? ` and ${(going.length - namedItems).toLocaleString('en')} more` : ''
  return `${plural(going.length, 'item')} (${names.join(', ')}${more})`
}
