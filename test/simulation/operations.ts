/** What clients and operators do, as data: a run is a seed and a list of these, so that a failure can be replayed, and made shorter. */
import { blobs, manifests, projects, repositories, tags } from './content.ts'
import type { SeededRandom } from './random.ts'

/** Numbers are indexes into the lists of content.ts. */
export type Operation =
  | {
      readonly kind: 'push'
      readonly repository: number
      readonly manifest: number
      readonly tags: readonly number[]
      readonly ways: readonly number[]
    }
  | { readonly kind: 'upload'; readonly repository: number; readonly blob: number; readonly way: number }
  | { readonly kind: 'begin'; readonly repository: number; readonly blob: number; readonly pieces: number }
  | { readonly kind: 'resume'; readonly which: number; readonly twice: boolean }
  | { readonly kind: 'abandon'; readonly which: number; readonly byOperator: boolean }
  | { readonly kind: 'head'; readonly repository: number; readonly blob: number }
  | { readonly kind: 'mount'; readonly repository: number; readonly from: number; readonly blob: number }
  | { readonly kind: 'pull'; readonly repository: number; readonly tag: number }
  | { readonly kind: 'list'; readonly repository: number }
  | { readonly kind: 'tag'; readonly repository: number; readonly tag: number; readonly manifest: number; readonly expected: boolean }
  | { readonly kind: 'delete-tag'; readonly repository: number; readonly tag: number; readonly expected: boolean }
  | { readonly kind: 'delete-manifest'; readonly repository: number; readonly manifest: number }
  | { readonly kind: 'delete-blob'; readonly repository: number; readonly blob: number }
  | { readonly kind: 'delete-repository'; readonly repository: number }
  | { readonly kind: 'restore'; readonly which: number }
  | { readonly kind: 'restore-tag'; readonly repository: number; readonly tag: number }
  | { readonly kind: 'purge'; readonly which: number }
  | { readonly kind: 'quota'; readonly project: number; readonly bytes: number | undefined }
  | { readonly kind: 'policy'; readonly project: number; readonly which: number }
  | { readonly kind: 'work'; readonly which: number; readonly elsewhere: boolean }
  | { readonly kind: 'collect'; readonly untagged: boolean; readonly sweep: boolean; readonly elsewhere: boolean }
  | { readonly kind: 'purge-uploads'; readonly ageHours: number }
  | { readonly kind: 'count'; readonly steps: number }
  | ControlOperation

/** What happens to the machine. `after`: so many events later. */
export type ControlOperation =
  | { readonly kind: 'advance'; readonly minutes: number }
  | { readonly kind: 'step-clock'; readonly minutes: number }
  | { readonly kind: 'crash'; readonly isPowerCut: boolean; readonly after: number }
  | { readonly kind: 'pause'; readonly seconds: number }
  | { readonly kind: 'fault'; readonly call: string; readonly code: string; readonly nth: number }

/** How a run is: not every kind of trouble in every run, or none would be seen long enough. */
export interface Profile {
  readonly operations: number
  readonly clients: number
  readonly hasCrashes: boolean
  readonly hasFaults: boolean
  readonly hasQuotas: boolean
  readonly hasWorker: boolean
  readonly hasDeletes: boolean
  readonly hasPolicies: boolean
  readonly garbageDelayMinutes: number
  readonly trashMinutes: number
}

/** The profile of a seed. */
export function profileOf(random: SeededRandom): Profile {
  const hasPolicies = random.chance(25)
  return {
    operations: 15 + random.below(30),
    clients: 1 + random.below(5),
    hasCrashes: random.chance(45),
    hasFaults: random.chance(20),
    hasQuotas: random.chance(25),
    // What retention decides a job carries out.
    hasWorker: hasPolicies ? random.chance(70) : random.chance(10),
    hasDeletes: random.chance(75),
    hasPolicies,
    garbageDelayMinutes: random.pick([10, 60, 60, 600]),
    trashMinutes: random.pick([0, 0, 60, 600]),
  }
}

const someTags = (random: SeededRandom) => Array.from({ length: random.pick([0, 1, 1, 1, 2]) }, () => random.below(tags.length))
const calls = [
  'handle.write',
  'handle.sync',
  'handle.syncDirectory',
  'rename',
  'unlink',
  'mkdir',
  'commit',
  'begin immediate',
  'answer lost',
]

function pushOf(random: SeededRandom, repository: number): Operation {
  const manifest = random.weighted([
    [8, random.below(5)],
    [3, 5 + random.below(2)],
    [1, 7],
    [3, 8 + random.below(manifests.length - 8)],
  ])
  return { kind: 'push', repository, manifest, tags: someTags(random), ways: Array.from({ length: 4 }, () => random.below(100)) }
}

type Maker = (random: SeededRandom, repository: number) => Operation

const blobIndex = (random: SeededRandom) =>
  random.weighted([
    [12, random.below(5)],
    [1, 5],
    [2, 6],
  ])

const everyday: readonly (readonly [number, Maker])[] = [
  [18, pushOf],
  [8, (random, repository) => ({ kind: 'upload', repository, blob: blobIndex(random), way: random.below(100) })],
  [4, (random, repository) => ({ kind: 'begin', repository, blob: blobIndex(random), pieces: random.below(3) })],
  [6, (random) => ({ kind: 'resume', which: random.below(8), twice: random.chance(40) })],
  [1, (random) => ({ kind: 'abandon', which: random.below(8), byOperator: random.chance(50) })],
  [7, (random, repository) => ({ kind: 'head', repository, blob: blobIndex(random) })],
  [6, (random, repository) => ({ kind: 'mount', repository, from: random.below(repositories.length), blob: random.below(5) })],
  [6, (random, repository) => ({ kind: 'pull', repository, tag: random.below(tags.length) })],
  [2, (_random, repository) => ({ kind: 'list', repository })],
  [
    5,
    (random, repository) => ({
      kind: 'tag',
      repository,
      tag: random.below(tags.length),
      manifest: random.below(manifests.length),
      expected: random.chance(30),
    }),
  ],
  [9, (random) => ({ kind: 'collect', untagged: random.chance(20), sweep: random.chance(10), elsewhere: random.chance(30) })],
  [12, (random) => ({ kind: 'advance', minutes: random.pick([1, 6, 31, 61, 61, 180, 700]) })],
  [1, (random) => ({ kind: 'step-clock', minutes: random.pick([-30, -10, 10]) })],
  [2, (random) => ({ kind: 'purge-uploads', ageHours: random.pick([1, 24]) })],
  [5, (random) => ({ kind: 'work', which: random.below(20), elsewhere: random.chance(30) })],
]

const deletes: readonly (readonly [number, Maker])[] = [
  [7, (random, repository) => ({ kind: 'delete-tag', repository, tag: random.below(tags.length), expected: random.chance(30) })],
  [12, (random, repository) => ({ kind: 'delete-manifest', repository, manifest: random.below(manifests.length) })],
  [3, (random, repository) => ({ kind: 'delete-blob', repository, blob: random.below(blobs.length) })],
  [2, (_random, repository) => ({ kind: 'delete-repository', repository })],
  [6, (random) => ({ kind: 'restore', which: random.below(20) })],
  [2, (random, repository) => ({ kind: 'restore-tag', repository, tag: random.below(tags.length) })],
  [2, (random) => ({ kind: 'purge', which: random.below(20) })],
]

function makersOf(profile: Profile): readonly (readonly [number, Maker])[] {
  const makers = [...everyday]
  if (profile.hasDeletes) makers.push(...deletes)
  if (profile.hasQuotas)
    makers.push([
      8,
      (random) => ({ kind: 'quota', project: random.below(projects.length), bytes: random.pick([undefined, 1_500, 3_000, 6_000, 80_000]) }),
    ])
  if (profile.hasPolicies)
    makers.push([8, (random) => ({ kind: 'policy', project: random.below(projects.length), which: random.below(8) })])
  if (profile.hasCrashes) makers.push([8, (random) => ({ kind: 'crash', isPowerCut: random.chance(60), after: random.below(12) })])
  if (profile.hasFaults)
    makers.push([6, (random) => ({ kind: 'fault', call: random.pick(calls), code: random.pick(['EIO', 'ENOSPC']), nth: random.below(3) })])
  if (profile.hasWorker)
    makers.push(
      [5, (random) => ({ kind: 'count', steps: 5 + random.below(15) })],
      [4, (random) => ({ kind: 'pause', seconds: 5 + random.below(60) })],
    )
  return makers
}

/** Several operations that have a point together, with those of others between them. */
type Motif = (random: SeededRandom, place: { readonly repository: number; readonly profile: Profile }) => Operation[]

/** A part of a lease: long enough that two of them are more than one, or one is more. */
const partOfLease = (random: SeededRandom, { garbageDelayMinutes }: Profile): Operation => ({
  kind: 'advance',
  minutes: Math.ceil(garbageDelayMinutes * random.pick([0.3, 0.55, 0.8, 1.1])),
})
const collect: Operation = { kind: 'collect', untagged: false, sweep: false, elsewhere: false }
const powerCut = (random: SeededRandom): Operation => ({ kind: 'crash', isPowerCut: true, after: random.below(25) })
const anotherTouch = (random: SeededRandom, repository: number, blob: number): Operation =>
  random.pick<Operation>([
    { kind: 'head', repository, blob },
    { kind: 'upload', repository, blob, way: random.below(100) },
    { kind: 'mount', repository: random.below(repositories.length), from: repository, blob },
  ])

const motifs: readonly (readonly [number, Motif])[] = [
  // A blob that nothing needs, touched again before its lease is over.
  [
    6,
    (random, { repository, profile }) => {
      const blob = random.below(5)
      const upload: Operation = { kind: 'upload', repository, blob, way: random.below(100) }
      return [
        upload,
        partOfLease(random, profile),
        anotherTouch(random, repository, blob),
        partOfLease(random, profile),
        collect,
        pushOf(random, repository),
      ]
    },
  ],
  // The last manifest of a blob goes, and comes back.
  [
    4,
    (random, { repository, profile }) => {
      const push = pushOf(random, repository) as Extract<Operation, { kind: 'push' }>
      const remove: Operation = { kind: 'delete-manifest', repository, manifest: push.manifest }
      const again: Operation = random.chance(50) ? { kind: 'restore', which: 0 } : anotherTouch(random, repository, random.below(5))
      return [push, partOfLease(random, profile), remove, partOfLease(random, profile), again, collect, push]
    },
  ],
  // Collected, and pushed again while its bytes go.
  [
    2,
    (random, { repository, profile }) => {
      const upload: Operation = { kind: 'upload', repository, blob: random.below(5), way: random.below(100) }
      const over: Operation = { kind: 'advance', minutes: Math.ceil(profile.garbageDelayMinutes * 1.1) }
      return [upload, over, collect, upload, { kind: 'advance', minutes: 61 }, collect, pushOf(random, repository)]
    },
  ],
]

const crashMotifs: readonly (readonly [number, Motif])[] = [
  [
    3,
    (random, { repository }) => [
      { kind: 'begin', repository, blob: random.pick([3, 4, 6]), pieces: 1 + random.below(2) },
      powerCut(random),
      { kind: 'resume', which: 0, twice: random.chance(30) },
    ],
  ],
  [
    3,
    (random, { repository }) => [
      { kind: 'upload', repository, blob: random.below(blobs.length), way: random.below(100) },
      powerCut(random),
    ],
  ],
  [2, (random, { repository }) => [pushOf(random, repository), powerCut(random)]],
]

/** A tag moves while somebody deletes it who has seen it elsewhere. */
const tagMotif: Motif = (random, { repository }) => {
  const tag = random.below(tags.length)
  const move = (manifest: number): Operation => ({ kind: 'tag', repository, tag, manifest, expected: random.chance(30) })
  const remove: Operation = { kind: 'delete-tag', repository, tag, expected: true }
  const push = (manifest: number, tagged: readonly number[]): Operation => ({
    kind: 'push',
    repository,
    manifest,
    tags: tagged,
    ways: [0, 0, 0, 0],
  })
  return [push(2, [tag]), push(0, []), move(0), remove, move(2), move(0), remove]
}

/** A project decides something, and people do what it is about. Tag 2 is the one that policies of the simulation protect. */
const policyMotif: Motif = (random, place) => {
  const repository = place.repository % 3
  const project = repository === 2 ? 1 : 0
  const policy = (which: number): Operation => ({ kind: 'policy', project, which })
  const push = (manifest: number, tag: number): Operation => ({ kind: 'push', repository, manifest, tags: [tag], ways: [0, 0, 0, 0] })
  const wait: Operation = { kind: 'advance', minutes: 1 }
  if (random.chance(50)) {
    const act = random.pick<Operation>([
      { kind: 'delete-tag', repository, tag: 2, expected: false },
      { kind: 'tag', repository, tag: 2, manifest: 0, expected: false },
      { kind: 'delete-manifest', repository, manifest: 2 },
    ])
    return [push(2, 2), push(0, 0), policy(2), wait, act]
  }
  return [
    push(2, 0),
    push(0, 1),
    policy(4),
    policy(5),
    wait,
    push(2, 1),
    policy(6),
    push(0, 0),
    push(2, 1),
    wait,
    policy(6),
    push(0, 1),
    wait,
  ]
}

/** A worker is paused in the middle of a job, for longer than its lease. */
const pauseMotif: Motif = (random) => [
  { kind: 'count', steps: 10 + random.below(30) },
  { kind: 'head', repository: 0, blob: 0 },
  { kind: 'pause', seconds: 37 + random.below(40) },
]

/** The operations of a seed. */
export function operationsOf(random: SeededRandom, profile: Profile): Operation[] {
  const makers = makersOf(profile)
  const together = [
    ...motifs,
    ...(profile.hasDeletes ? [[3, tagMotif] as const] : []),
    ...(profile.hasPolicies ? [[12, policyMotif] as const] : []),
    ...(profile.hasCrashes ? crashMotifs : []),
    ...(profile.hasWorker ? [[6, pauseMotif] as const] : []),
  ]
  // A client stays with what it is about: most of a run is about one repository or two.
  const favourites = [random.below(repositories.length), random.below(repositories.length)]
  const operations: Operation[] = []
  while (operations.length < profile.operations) {
    const repository = random.chance(75) ? random.pick(favourites) : random.below(repositories.length)
    if (!random.chance(12)) operations.push(random.weighted(makers)(random, repository))
    else operations.push(...random.weighted(together)(random, { repository, profile }))
  }
  return operations
}
