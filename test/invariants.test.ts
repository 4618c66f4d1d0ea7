import assert from 'node:assert/strict'
import { appendFile, mkdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { alterTestPostgres, testDialect } from '#metadata/test-postgres.ts'
import { fileOf, openTestRegistry, pushBytes, putImage, repositoryA, type TestRegistry } from '#registry/test-registry.ts'
import { checkInvariants } from './invariants.ts'

async function damage({ directory }: TestRegistry, statement: string): Promise<void> {
  // A replica applies what it is told without looking at foreign keys.
  if (testDialect === 'postgres')
    return await alterTestPostgres(join(directory, 'berth.db'), ['set session_replication_role = replica', statement])
  const database = new DatabaseSync(join(directory, 'berth.db'), { enableForeignKeyConstraints: false })
  database.exec(statement)
  database.close()
}

const rotten =
  testDialect === 'postgres'
    ? "convert_to(replace(convert_from(payload, 'UTF8'), 'schema', 'Schema'), 'UTF8')"
    : "cast(replace(cast(payload as text), 'schema', 'Schema') as blob)"

/** One thing wrong each, and the sentence that must tell it. */
const damages: readonly (readonly [string, RegExp, (place: TestRegistry) => Promise<void> | void])[] = [
  [
    'a blob that lost its file',
    /I1: blob .* no bytes/,
    async (place) => unlink(await fileOf(place, (await putImage(place.registry, repositoryA, 'x')).layer)),
  ],
  [
    'a blob with another size',
    /I4: blob .* has 8 bytes/,
    async (place) => appendFile(await fileOf(place, await pushBytes(place.registry, repositoryA, 'size')), 'more'),
  ],
  [
    'a blob with a flipped bit',
    /I4: blob .* hashes to/,
    async (place) => writeFile(await fileOf(place, await pushBytes(place.registry, repositoryA, 'bits')), 'bitS'),
  ],
  [
    'a file that nobody knows',
    /I5: nobody knows the key blobs\/x\/y/,
    async ({ parts }) => {
      const file = join(parts.rootDirectory ?? '', 'blobs', 'x', 'y')
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, '')
    },
  ],
  [
    'an upload without a row',
    /I5: upload .* has no row/,
    async ({ parts }) => {
      const writer = await parts.store.openUpload('00000000-0000-4000-8000-000000000000', 0)
      await writer.sync()
      await writer[Symbol.asyncDispose]()
    },
  ],
  ['a tag without its manifest', /I3: tag v1 points at nothing/, (place) => damage(place, 'update tags set manifest_id = 999')],
  ['a tag that moved without history', /I3: the history of tag .* ends elsewhere/, (place) => damage(place, 'delete from tag_history')],
  ['a tag that vanished', /I3: tag .* is gone without a word/, (place) => damage(place, 'delete from tags')],
  [
    'a manifest that lost a reference',
    /I1: manifest .* names .* references do not/,
    (place) => damage(place, 'delete from manifest_blobs'),
  ],
  ['a reference to a blob that is gone', /I1: manifest .* whose row is gone/, (place) => damage(place, 'delete from blobs')],
  ['a reference to a blob of another repository', /I1: .* not in its repository/, (place) => damage(place, 'delete from repository_blobs')],
  ['a quarantined blob that is needed', /I1: .* which is quarantined/, (place) => damage(place, "update blobs set state = 'quarantined'")],
  ['a manifest whose bytes rotted', /I4: manifest .* hashes to/, (place) => damage(place, `update manifests set payload = ${rotten}`)],
  [
    'a push without an event',
    /I7: no event tells of manifest/,
    (place) => damage(place, "delete from events where action = 'manifest.pushed'"),
  ],
  ['a tag without an event', /I7: no event tells that/, (place) => damage(place, "delete from events where action = 'tag.moved'")],
  [
    'garbage that nobody will look at',
    /I5: nothing in .* needs blob .* nobody will look at it/,
    async (place) => {
      await pushBytes(place.registry, repositoryA, 'garbage')
      await damage(place, 'delete from garbage_reviews')
    },
  ],
]

suite('the checker of invariants', () => {
  for (const [what, sentence, harm] of damages) {
    test(`finds ${what}`, async () => {
      await using place = await openTestRegistry({ on: 'disk' })
      await putImage(place.registry, repositoryA, 'one', 'v1')
      assert.deepEqual(await checkInvariants(place.parts), [])
      await harm(place)
      const violations = await checkInvariants(place.parts)
      assert.ok(
        violations.some((violation) => sentence.test(violation)),
        violations.join('\n'),
      )
    })
  }
})
