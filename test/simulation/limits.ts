/** Usage counted again from links, manifests and tags, by other queries than those of the code under test, against its counters and the limits. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

interface Counted {
  readonly bytes: number
  readonly manifests: number
  readonly tags: number
  readonly repositories: number
}

const units = ['bytes', 'manifests', 'tags', 'repositories'] as const

/** Repositories of a project and of those below it. */
const within = `select r.id from repositories r join projects own on own.id = r.project_id
  where r.name >= '0' and (own.name = :name or own.name like :name || '/%')`

const queries = {
  recount: `select
    (select coalesce(sum(b.size_bytes), 0) from blobs b
      where b.id in (select rb.blob_id from repository_blobs rb where rb.is_counted = 1 and rb.repository_id in (${within})))
    + (select coalesce(sum(m.size_bytes), 0) from manifests m where m.repository_id in (${within})) as bytes,
    (select count(*) from manifests m where m.repository_id in (${within})) as manifests,
    (select count(*) from tags t where t.repository_id in (${within})) as tags,
    (select count(*) from (${within})) as repositories`,
  counted: `select coalesce(sum(bytes), 0) as bytes, coalesce(sum(manifests), 0) as manifests, coalesce(sum(tags), 0) as tags,
    coalesce(sum(repositories), 0) as repositories from (
      select bytes, manifests, tags, repositories from usage_totals where scope = 'project' and scope_id = :id
      union all select bytes, manifests, tags, repositories from usage_changes where scope = 'project' and scope_id = :id)`,
  projects: `select p.id, p.name, q.bytes_max as bytesMax, q.version from projects p left join quotas q on q.project_id = p.id where p.trashed_name = ''`,
  uncounted: `select count(*) as count from repository_blobs rb join repositories r on r.id = rb.repository_id where rb.is_counted = 0 and r.name >= '0'
    and exists (select 1 from manifest_blobs mb join manifests m on m.id = mb.manifest_id
      where mb.blob_id = rb.blob_id and m.repository_id = rb.repository_id)`,
  unneeded: `select count(*) as count from repository_blobs rb join repositories r on r.id = rb.repository_id join blobs b on b.id = rb.blob_id
    where rb.is_counted = 1 and r.name >= '0' and not exists (select 1 from manifest_blobs mb join manifests m on m.id = mb.manifest_id
      where mb.blob_id = rb.blob_id and m.repository_id = rb.repository_id)`,
} as const

export class Limits {
  readonly #statements: Readonly<Record<keyof typeof queries, StatementSync>>
  readonly #violate: (text: string) => void
  #before = new Map<number, { readonly version: number; readonly bytes: number }>()

  constructor(database: DatabaseSync, violate: (text: string) => void) {
    this.#statements = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, database.prepare(text)])) as never
    this.#violate = violate
  }

  #projects() {
    return this.#statements.projects.all() as unknown as { id: number; name: string; bytesMax: number | null; version: number | null }[]
  }

  #recount(name: string): Counted {
    return this.#statements.recount.get({ name }) as unknown as Counted
  }

  /** No project grows above its limit. */
  check(): void {
    const before = this.#before
    this.#before = new Map()
    for (const { id, name, bytesMax, version } of this.#projects()) {
      if (bytesMax === null) continue
      const { bytes } = this.#recount(name)
      const last = before.get(id)
      // A limit that was lowered below what is there deletes nothing.
      const allowed = Math.max(bytesMax, last?.version === version ? last.bytes : Infinity)
      if (bytes > allowed) this.#violate(`quota: project ${name} grew to ${bytes} bytes, its limit is ${bytesMax}`)
      this.#before.set(id, { version: version ?? 0, bytes })
    }
  }

  /** Counters say what there is. */
  compare(): void {
    for (const { id, name } of this.#projects()) {
      const actual = this.#recount(name)
      const counted = this.#statements.counted.get({ id }) as unknown as Counted
      for (const unit of units)
        if (actual[unit] !== counted[unit])
          this.#violate(`I6: project ${name} has ${actual[unit]} ${unit}, its counter says ${counted[unit]}`)
    }
    if (this.#count('uncounted') > 0) this.#violate('I6: a link that a manifest needs does not count')
  }

  /** Links that count though nothing needs them. */
  get unneeded(): number {
    return this.#count('unneeded')
  }

  #count(name: 'uncounted' | 'unneeded'): number {
    return Number(this.#statements[name].get()?.['count'])
  }
}
