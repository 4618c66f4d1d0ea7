/** What must hold when nobody works any more: the rows as they are, and what is left after every time is over and garbage was collected. */
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { runInline } from '#jobs/run-inline.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { purgeUploads } from '#registry/purge-uploads.ts'
import { checkInvariants } from '../invariants.ts'
import { finished } from './finished.ts'
import { kill, startProcess, type SimProcess } from './process.ts'
import { filesPort, performNow } from './sim-files.ts'
import { minuteMs, rootDirectory, type World } from './world.ts'

const hourMs = 60 * minuteMs
const signal = new AbortController().signal

/** `running`: what still has timers. */
export async function checkAtRest(world: World, running: readonly SimProcess[]): Promise<void> {
  const { model } = world
  model.committed()
  model.limits.compare()
  const [server] = running
  if (server !== undefined) await checkRows(world, server)
  for (const process of running) kill(world, process)
  if (model.violations.length === 0) await checkLeftovers(world)
}

/** The checker of all tests, which looks at rows and bytes past the code under test. */
async function checkRows({ disk, model }: World, { metadata }: SimProcess): Promise<void> {
  const store = createFilesystemStore({ rootDirectory, files: filesPort(disk, performNow) })
  // A push in one request that was killed leaves an upload without a row.
  for (const violation of await checkInvariants({ metadata, store, orphanUploadsAreFine: true })) model.violate(violation)
}

/** All leases, windows and ages are over: what nothing needs is gone, rows, bytes and files. */
async function checkLeftovers(world: World): Promise<void> {
  const { scheduler, model } = world
  const janitor = await startProcess(world, 'janitor')
  for (let round = 0; round < 4; round++) {
    scheduler.advance(round === 0 ? 9 * 24 * hourMs : 11 * hourMs)
    model.lastLeapStep = scheduler.steps
    if (janitor.jobs.kinds.has('trash-purge')) await finished(world, runInline(janitor.jobs, { kind: 'trash-purge' }, { signal }))
    await finished(world, purgeUploads(janitor.registry, { ageMs: hourMs, signal }))
    await finished(world, collectGarbage(janitor.registry, { signal }))
  }
  checkEmptied(world)
  model.limits.compare()
  await checkRows(world, janitor)
  kill(world, janitor)
}

const leftovers: readonly (readonly [what: string, query: string])[] = [
  [
    'blobs that nothing needs',
    `select count(*) as count from blobs where not exists (select 1 from manifest_blobs mb where mb.blob_id = blobs.id)`,
  ],
  [
    'links that nothing needs',
    `select count(*) as count from repository_blobs rb where not exists (select 1 from manifest_blobs mb
      where mb.blob_id = rb.blob_id and mb.repository_id = rb.repository_id)`,
  ],
  ['keys that wait for deletion', 'select count(*) as count from blob_deletions'],
  ['upload sessions', 'select count(*) as count from upload_sessions'],
  ['repositories that are being deleted', `select count(*) as count from repositories where name < '0' and name like '!%'`],
]

function checkEmptied({ disk, database, model }: World): void {
  const connection = database.connection.database
  for (const [what, query] of leftovers) {
    const count = Number(connection.prepare(query).get()?.['count'])
    if (count > 0) model.violate(`I5: after everything was collected there are ${count} ${what}`)
  }
  const known = new Set(
    connection
      .prepare('select key from blobs')
      .all()
      .map((row) => `${rootDirectory}/${String(row['key'])}`),
  )
  const isExcused = (path: string) => model.mayLeakKeys && path.startsWith(`${rootDirectory}/blobs/`)
  for (const [path] of disk.files(rootDirectory))
    if (!known.has(path) && !isExcused(path)) model.violate(`I5: after everything was collected the file ${path} is left`)
}
