/**
 * One search over projects, repositories, tags, digests and labels, for somebody who types.
 *
 * The problem: an answer for each key, at a hundred thousand repositories, that shows nothing which the asker may not see. The way: each kind of thing is
 * looked for where an index, or one walk over short names, finds it within a bound; what fits best comes first. What people paste is understood:
 * `team/app`, `team/app:1.2`, `team/app@sha256:…`, `sha256:…`, and the beginning of a digest without its algorithm.
 */
import { listProjects } from '#metadata/projects.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { projectNames } from '#metadata/project-names.ts'
import { listRepositoryPage } from '#metadata/repository-rows.ts'
import {
  searchBlobs,
  searchManifests,
  searchPlace,
  searchTags,
  type DigestRange,
  type FoundContents,
  type SearchPlace,
} from '#metadata/search-contents.ts'
import { searchLabels } from '#metadata/search-labels.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { digestToBytes, parseDigest, type Digest } from '#oci/digest.ts'
import { matchOf, parseSearch, type SearchMatch, type SearchWords } from './search-words.ts'

/** What can be found, in the order in which it is shown. */
export const searchKinds = ['project', 'repository', 'tag', 'digest', 'label'] as const

/** One of them. */
export type SearchKind = (typeof searchKinds)[number]

/** Something found. */
export interface FoundThing {
  readonly kind: SearchKind
  /** Name of its project; absent: of a label that is for all. */
  readonly project?: string
  readonly repository?: string
  readonly tag?: string
  /** What the tag points at, or what was found. */
  readonly digest?: Digest
  /** What the digest is of. */
  readonly content?: 'manifest' | 'blob'
  readonly label?: string
  readonly match: SearchMatch
}

/** Where the asker sees what. */
export interface SearchRights {
  readonly projects: Visibility
  readonly repositories: Visibility
  readonly tags: Visibility
  readonly manifests: Visibility
  /** Of blobs, which are told by the manifests that need them. */
  readonly contents: Visibility
  readonly labels: Visibility
  /** Labels that are for all. */
  readonly globalLabels: boolean
}

/** What is looked for. */
export interface SearchRequest {
  readonly text: string
  readonly kinds: ReadonlySet<SearchKind>
  /** Of each kind. */
  readonly limit: number
  readonly rights: SearchRights
}

/** What was found. */
export interface SearchResult {
  readonly items: readonly FoundThing[]
  /** False: there is more, or may be. */
  readonly isComplete: boolean
}

type Source = { readonly metadata: Pick<Metadata, 'reader'> }
interface Parts extends Source {
  /** Where is looked for tags and digests: who sees the ones mostly sees the others. */
  readonly placeOf: (visibility: Visibility, nameHas: string | undefined) => Promise<SearchPlace>
}
type Find = (parts: Parts, words: SearchWords, request: SearchRequest) => Promise<SearchResult>

const nothing: SearchResult = { items: [], isComplete: true }

/** Names that are ranked: those beyond them that fit as well are not looked at. */
const rankedNames = 100

const finders: Readonly<Record<SearchKind, Find>> = {
  project: findProjects,
  repository: findRepositories,
  tag: findTags,
  digest: findDigests,
  label: findLabels,
}

/** Looks for all kinds that are asked for. */
export async function search({ metadata }: Source, request: SearchRequest): Promise<SearchResult> {
  const words = parseSearch(request.text)
  const parts = { metadata, placeOf: rememberPlaces(metadata) }
  const kinds = searchKinds.filter((kind) => request.kinds.has(kind))
  const found = await Promise.all(kinds.map((kind) => finders[kind](parts, words, request)))
  return { items: found.flatMap(({ items }) => items), isComplete: found.every(({ isComplete }) => isComplete) }
}

function rememberPlaces({ reader }: Source['metadata']): Parts['placeOf'] {
  const places = new Map<string, Promise<SearchPlace>>()
  return async (visibility, nameHas) => {
    const key = JSON.stringify([visibility, nameHas])
    const place = places.get(key) ?? searchPlace(reader, visibility, { nameHas })
    places.set(key, place)
    return await place
  }
}

/** Best first; of what fits as well the shorter name, then in order. */
function ranked(names: Iterable<readonly [name: string, thing: FoundThing]>, limit: number): FoundThing[] {
  const order: readonly SearchMatch[] = ['exact', 'beginning', 'part']
  return [...names]
    .toSorted(
      ([one, first], [other, second]) =>
        order.indexOf(first.match) - order.indexOf(second.match) || one.length - other.length || (one < other ? -1 : 1),
    )
    .slice(0, limit)
    .map(([, thing]) => thing)
}

async function findProjects({ metadata: { reader } }: Parts, { name }: SearchWords, { limit, rights }: SearchRequest) {
  if (name === undefined) return nothing
  const page = { column: 'name', isDescending: false, limit: rankedNames } as const
  const { items, next } = await listProjects(reader, rights.projects, { filter: { nameHas: name }, page })
  const beginning = next === undefined ? { items: [] } : await listProjects(reader, rights.projects, { filter: { namePrefix: name }, page })
  const things = new Map([...items, ...beginning.items].map((each) => [each.name, projectThing(each.name, name)]))
  return { items: ranked(things, limit), isComplete: next === undefined && things.size <= limit }
}

function projectThing(project: string, name: string): FoundThing {
  return { kind: 'project', project, match: matchOf(project, name) }
}

async function findRepositories({ metadata: { reader } }: Parts, { name }: SearchWords, { limit, rights }: SearchRequest) {
  if (name === undefined) return nothing
  const page = { column: 'name', isDescending: false, limit: rankedNames } as const
  const { items, next } = await listRepositoryPage(reader, rights.repositories, { filter: { nameHas: name }, page })
  // Where not all are ranked, those that fit best must be among them. A letter is but the beginning of what is wanted.
  const better = next === undefined ? [] : [{ namePrefix: name }, ...(name.length > 1 ? [{ nameEnd: `/${name}` }] : [])]
  const all = [...items]
  for (const filter of better) all.push(...(await listRepositoryPage(reader, rights.repositories, { filter, page })).items)
  const projects = await projectNames(
    reader,
    all.map(({ projectId }) => projectId),
  )
  const things = new Map(
    all.map((each): [string, FoundThing] => [
      each.name,
      { kind: 'repository', project: projects.get(each.projectId) ?? '', repository: each.name, match: matchOf(each.name, name) },
    ]),
  )
  return { items: ranked(things, limit), isComplete: next === undefined && things.size <= limit }
}

async function findTags(parts: Parts, { tag, within }: SearchWords, { limit, rights }: SearchRequest): Promise<SearchResult> {
  if (tag === undefined) return nothing
  const { reader } = parts.metadata
  const place = await parts.placeOf(rights.tags, within)
  const found = await searchTags(reader, place, { prefix: tag, limit })
  return await thingsOf(parts, found, ({ tag: name = '', digest }) => ({
    kind: 'tag',
    tag: name,
    digest,
    match: name === tag ? 'exact' : 'beginning',
  }))
}

async function findDigests(parts: Parts, { digests, within }: SearchWords, { limit, rights }: SearchRequest): Promise<SearchResult> {
  if (digests.length === 0) return nothing
  const { reader } = parts.metadata
  const manifests = await parts.placeOf(rights.manifests, within)
  const blobs = await parts.placeOf(rights.contents, within)
  const results: SearchResult[] = []
  for (const beginning of digests) {
    const query = { range: rangeOf(beginning), limit }
    const match = parseDigest(beginning.text) === undefined ? 'beginning' : 'exact'
    const inPlace = (content: 'manifest' | 'blob') => (found: FoundContents) =>
      thingsOf(parts, found, ({ digest }) => ({ kind: 'digest', digest, content, match }))
    results.push(await searchManifests(reader, manifests, query).then(inPlace('manifest')))
    results.push(await searchBlobs(reader, blobs, query).then(inPlace('blob')))
  }
  const items = results.flatMap((result) => result.items)
  return { items: items.slice(0, limit), isComplete: items.length <= limit && results.every(({ isComplete }) => isComplete) }
}

/** All digests that begin so. */
function rangeOf({ text, length }: SearchWords['digests'][number]): DigestRange {
  return { from: digestToBytes(text.padEnd(length, '0') as Digest), to: digestToBytes(text.padEnd(length, 'f') as Digest) }
}

async function thingsOf(
  { metadata: { reader } }: Parts,
  { items, isComplete }: FoundContents,
  asThing: (item: FoundContents['items'][number]) => FoundThing,
): Promise<SearchResult> {
  const projects = await projectNames(
    reader,
    items.map(({ projectId }) => projectId),
  )
  return {
    items: items.map((item) => ({ ...asThing(item), project: projects.get(item.projectId) ?? '', repository: item.repository })),
    isComplete,
  }
}

async function findLabels({ metadata: { reader } }: Parts, { text }: SearchWords, { limit, rights }: SearchRequest): Promise<SearchResult> {
  const found = await searchLabels(reader, { text, limit: rankedNames, isGlobal: rights.globalLabels, visibility: rights.labels })
  const things = found.map(({ id, name, project }): [string, FoundThing] => [
    `${name} ${id}`,
    { kind: 'label', ...(project !== null && { project }), label: name, match: matchOf(name.toLowerCase(), text.toLowerCase()) },
  ])
  return { items: ranked(things, limit), isComplete: found.length <= limit }
}
