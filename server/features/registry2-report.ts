/** What an adoption or an export found: numbers, and what was wrong, by repository. */
import type { Logger } from '#lib/logger.ts'

const problemTexts = {
  'name-invalid': 'directory is not a valid repository name: left out',
  'tag-invalid': 'not a valid tag: left out',
  'link-broken': 'link file is empty or malformed: left out',
  'link-repaired': 'link file is empty or malformed, but the bytes match its path: adopted',
  'layer-dangling': 'link to a blob whose bytes are gone (registry:2 leaves these after its garbage collection): left out',
  'blob-corrupt': 'bytes do not match the digest: quarantined, a push heals it',
  'blob-leaving': 'bytes are about to be deleted by garbage collection: left out, import again later',
  'manifest-missing': 'manifest whose bytes are gone: left out',
  'manifest-corrupt': 'manifest whose bytes do not match its digest: left out',
  'manifest-invalid': 'manifest that is not valid: left out',
  'manifest-schema1': 'schema 1 manifest: left out, push the image again with a current client',
  'manifest-incomplete': 'manifest needs a blob that is not there: adopted, a push of the image heals it',
  'size-differs': 'manifest states another size than the blob has: adopted',
  'tag-dangling': 'tag points at a manifest that is not there: left out',
  'upload-unfinished': 'unfinished upload: ignored',
  'unexpected-entry': 'file or directory that does not belong there: ignored',
  'symbolic-link': 'symbolic link: not followed',
  'blob-unreadable': 'bytes are missing or not right: left out',
  'type-unserved': 'manifest of a type that registry:2 does not serve: written all the same',
  'type-changed': 'manifest that registry:2 serves as another media type, for the document does not state its own: written all the same',
  'tag-moving': 'tags moved all the while: export again for their last values',
} as const

/** The closed set of what can be wrong; each kind has its sentence for the operator. */
export type ProblemKind = keyof typeof problemTexts

/** One kind of problem in one repository. */
export interface Problem {
  /** As on disk; not always a valid name. */
  readonly repository: string
  readonly kind: ProblemKind
  readonly count: number
  /** The first few. */
  readonly examples: readonly string[]
  /** All of that in one line for a person. */
  readonly text: string
}

const exampleLimit = 5
const exampleLength = 300

/** Collects the problems of one repository; memory does not grow with their number. */
export class ProblemCollector {
  readonly #repository: string
  readonly #found = new Map<ProblemKind, { count: number; examples: string[] }>()

  constructor(repository: string) {
    this.#repository = repository
  }

  add(kind: ProblemKind, example: string): void {
    const entry = this.#found.get(kind) ?? { count: 0, examples: [] }
    this.#found.set(kind, entry)
    entry.count++
    if (entry.examples.length < exampleLimit) entry.examples.push(example.slice(0, exampleLength))
  }

  list(): Problem[] {
    return [...this.#found].map(([kind, { count, examples }]) => {
      const more = count > examples.length ? ', …' : ''
      const text = `${this.#repository}: ${count} × ${problemTexts[kind]} (${examples.join(', ')}${more})`
      return { repository: this.#repository, kind, count, examples, text }
    })
  }
}

/** What becomes of problems when the caller does not say: a line of the log each. */
export function logProblems(log: Logger): (problems: readonly Problem[]) => void {
  return (problems) => {
    for (const { text, ...fields } of problems) log.warn(fields, text)
  }
}

/** Numbers of one adoption. What a resumed run met twice is counted once. */
export interface AdoptionTally {
  readonly repositories: number
  /** Links of repositories to blobs. */
  readonly links: number
  readonly manifests: number
  readonly tags: number
  readonly blobsAdded: number
  readonly bytesAdded: number
  readonly manifestsAdded: number
  readonly tagsAdded: number
  readonly tagsMoved: number
  /** Tags that differ but were last set in Berth, which stay. */
  readonly tagsKept: number
  readonly blobsVerified: number
}

/** Where counting starts: zero of everything. */
export const emptyTally: AdoptionTally = {
  repositories: 0,
  links: 0,
  manifests: 0,
  tags: 0,
  blobsAdded: 0,
  bytesAdded: 0,
  manifestsAdded: 0,
  tagsAdded: 0,
  tagsMoved: 0,
  tagsKept: 0,
  blobsVerified: 0,
}

/** The sum, member by member; what `other` lacks counts as zero. */
export function addTally(one: AdoptionTally, other: Partial<AdoptionTally>): AdoptionTally {
  const sum: Record<string, number> = { ...one }
  for (const [key, value] of Object.entries(other)) sum[key] = (sum[key] ?? 0) + value
  return sum as unknown as AdoptionTally
}

/** How often each kind was found over all repositories; a kind that was not found is absent. */
export type ProblemTotals = Readonly<Partial<Record<ProblemKind, number>>>

/** The totals with these problems counted in; `totals` stays as it is. */
export function addProblems(totals: ProblemTotals, problems: readonly Problem[]): ProblemTotals {
  const sum: Partial<Record<ProblemKind, number>> = { ...totals }
  for (const { kind, count } of problems) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}
