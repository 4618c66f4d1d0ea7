/** The trash and the history of tags for commands on data: what the desk gives, as the API has it, so that a command tells of both in the same words. */
import type { ResponseOf } from '#api/contract.ts'
import type * as tagRoutes from '#api/routes/tags.ts'
import type * as routes from '#api/routes/trash.ts'
import { openTrashDesk as openDesk, type DeskFilter, type DeskTagRestore } from '#features/trash-desk.ts'
import { tagBody, tagChangeBody } from '#http/api/tags.ts'
import { restoredBody, trashBody, trashDetailsBody } from '#http/api/trash-bodies.ts'
import type { Berth } from './main.ts'

const pageItems = 1_000

type Trash = ResponseOf<typeof routes.listTrash>['items'][number]
type TagChange = ResponseOf<typeof tagRoutes.listTagHistory>['items'][number]

/** What can be done. Each throws a RegistryError with a sentence. */
export interface DataTrash {
  /** Pages, latest first. */
  list(filter: DeskFilter): AsyncGenerator<{ readonly items: readonly Trash[] }>
  describe(id: number): Promise<ResponseOf<typeof routes.readTrash>>
  restore(
    id: number,
    how: { readonly name?: string | undefined; readonly isForced: boolean },
  ): Promise<ResponseOf<typeof routes.restoreTrash>>
  remove(id: number): Promise<void>
  /** Pages, latest first. */
  history(repository: string, tag: string): AsyncGenerator<{ readonly items: readonly TagChange[] }>
  restoreTag(wanted: DeskTagRestore): Promise<ResponseOf<typeof tagRoutes.restoreTag>>
}

/** What it works with. */
interface DeskParts extends Pick<Berth, 'registry'> {
  readonly config: { readonly auth: Pick<Berth['config']['auth'], 'kind'> }
}

/** Past all rights; works beside a running server. */
export function openTrashDesk({ registry, config }: DeskParts): DataTrash {
  const desk = openDesk(registry)
  return {
    async *list(filter) {
      for await (const rows of desk.list(filter, pageItems)) yield { items: rows.map(trashBody) }
    },
    describe: async (id) => trashDetailsBody(await desk.describe(id)),
    async restore(id, how) {
      const { isPublic, ...restored } = await desk.restore(id, how)
      // Where nobody has an account everyone can read everything.
      return restoredBody(restored, isPublic || config.auth.kind === 'open')
    },
    remove: (id) => desk.remove(id),
    async *history(repository, tag) {
      for await (const rows of desk.history(repository, tag, pageItems)) yield { items: rows.map(tagChangeBody) }
    },
    async restoreTag(wanted) {
      const { missing, ...tag } = await desk.restoreTag(wanted)
      return { ...tagBody(tag), missing: [...missing] }
    },
  }
}
