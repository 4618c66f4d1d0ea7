/**
 * Makes a registry of five minutes look like one of some weeks, in its database while it is stopped: hourly statistics of the days before, the times of
 * tags, manifests and projects, and how often each was pulled. What is pictured was pushed in truth; when, and how much was asked for it, was not.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Stage } from '../portal/stage.ts'

const hourMs = 3_600_000
const hours = 14 * 24

/** Stops the registry, writes, and starts it again. */
export async function age({ berth, api }: Stage): Promise<void> {
  const projects = (await api('GET', '/projects?limit=60'))['items'] as readonly { readonly id: number; readonly name: string }[]
  const parts = await Promise.all(
    projects.map(async ({ id, name }, at) => ({ id, share: 0.5 / (at + 1), ...sizesOf(await api('GET', `/projects/${name}/usage`)) })),
  )
  const sizes = [{ id: 0, share: 1, ...sizesOf(await api('GET', '/system/usage')) }, ...parts]
  await berth.stop()
  const db = new DatabaseSync(join(berth.dataDir, 'berth.db'))
  try {
    db.exec('begin')
    const now = Date.now()
    writeStatistics(db, sizes, now - (now % hourMs))
    writeTimes(db, now)
    db.exec('commit')
  } finally {
    db.close()
  }
  await berth.restart()
}

/** From 0 to 1, the same for the same numbers. */
const chance = (one: number, other: number): number => {
  const value = Math.sin(one * 127.1 + other * 311.7) * 43_758.5453
  return value - Math.floor(value)
}

/** As much as people work at that hour: little at night and at the end of the week. */
function business(at: number): number {
  const date = new Date(at)
  const hour = date.getUTCHours()
  const isWeekend = date.getUTCDay() % 6 === 0
  return (0.25 + Math.max(0, Math.sin(((hour - 6) / 14) * Math.PI))) * (isWeekend ? 0.4 : 1)
}

/** How much there is in a project, and which part of all work is about it; of everything under the id 0. */
interface Sizes {
  readonly id: number
  readonly share: number
  readonly bytes: number
  readonly logical: number
}

const sizesOf = (usage: Readonly<Record<string, unknown>>) => ({ bytes: Number(usage['bytes']), logical: Number(usage['logicalBytes']) })

function writeStatistics(db: DatabaseSync, sizes: readonly Sizes[], now: number): void {
  const insert = db.prepare(
    `insert or ignore into statistics (project_id, step, at, node, pulls, pushes, requests, errors, latencies, bytes, logical_bytes, reclaimable_bytes)
     values (?, 'hour', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  for (let back = hours; back > 0; back--) {
    const at = now - back * hourMs
    const grown = 0.45 + 0.55 * (1 - back / hours) - 0.04 * chance(Math.floor(back / 24), 3)
    for (const { id, share, bytes, logical } of sizes) {
      const pulls = Math.round(share * business(at) * (420 + 160 * chance(back, id)))
      const pushes = Math.round(share * business(at) * (22 + 14 * chance(back, id + 50)))
      const errors = chance(back, id + 90) > 0.93 ? Math.round(6 * share * chance(back, 7)) : 0
      const latencies = id === 0 ? JSON.stringify(latenciesOf(pulls * 6, back)) : ''
      insert.run(id, at, 'earlier', pulls, pushes, pulls * 6 + pushes * 9, errors, latencies, null, null, null)
      const reclaimable = id === 0 ? Math.round(bytes * 0.11 * (1 - (back % 24) / 24)) : null
      insert.run(id, at, '', 0, 0, 0, 0, '', Math.round(bytes * grown), Math.round(logical * grown), reclaimable)
    }
  }
}

/** Buckets as features/statistics-latencies.ts has them: most answers take a millisecond or two, some tens. */
function latenciesOf(requests: number, back: number): number[] {
  const middle = 3 + chance(back, 11)
  return Array.from({ length: 36 }, (_, bucket) => {
    const near = Math.exp(-((bucket - middle) ** 2) / 3)
    const tail = bucket > 6 && bucket < 14 ? 0.012 * (1 + chance(back, bucket)) : 0
    return Math.round(requests * (0.32 * near + tail))
  })
}

function writeTimes(db: DatabaseSync, now: number): void {
  const tags = db.prepare('select id, manifest_id as manifest, repository_id as repository from tags order by repository_id, id').all()
  const newest = new Map<number, number>()
  for (const { repository, id } of tags) newest.set(Number(repository), Number(id))
  const setTag = db.prepare('update tags set created_at = ?, updated_at = ? where id = ?')
  const setManifest = db.prepare('update manifests set created_at = min(created_at, ?) where id = ?')
  const pulledTag = db.prepare('insert or replace into tag_pulls (tag_id, pulls, last_pulled_at) values (?, ?, ?)')
  // Platforms of an index have no tag of their own.
  db.prepare('update manifests set created_at = created_at - ?').run(40 * hourMs)
  for (const row of tags) {
    const [id, repository] = [Number(row['id']), Number(row['repository'])]
    const back = (newest.get(repository) ?? id) - id
    const at = Math.round(now - (back * 31 + 1 + 8 * chance(id, 1)) * hourMs)
    setTag.run(at, at, id)
    setManifest.run(at, Number(row['manifest']))
    if (chance(id, 2) < 0.85)
      pulledTag.run(id, Math.round(3 + 900 * chance(id, 4) ** 3), Math.round(now - (now - at) * chance(id, 5) * 0.3))
  }
  db.prepare('update projects set created_at = ?, updated_at = ? - id * 7777777').run(now - 90 * 24 * hourMs, now)
  db.prepare('update repositories set updated_at = ? - (id * 40503 % 97) * 1900000').run(now - hourMs / 3)
}
