import { cacheShortly } from '#http/cache-control.ts'
import type { Endpoint } from '#http/endpoint.ts'
import type { Exchange, TargetedExchange } from '#http/exchange.ts'
import { nextPage } from '#http/locations.ts'
import { beginResponse, endResponse, respondJson, writeBody } from '#http/respond.ts'
import type { TagsRoute } from '#http/router.ts'
import { parseLast, parsePageSize } from '#http/target.ts'
import { allTags, listTags } from '#registry/list-tags.ts'

/** `/v2/<name>/tags/list` (end-8a, end-8b). */
export const tags: Endpoint<TagsRoute> = {
  name: 'tags',
  operations: {
    GET: { demand: 'repository:pull', kind: 'read', run: getTags },
    HEAD: { demand: 'repository:pull', kind: 'read', run: getTags },
  },
}

async function getTags(exchange: TargetedExchange, { repository }: TagsRoute): Promise<void> {
  const { registry, config } = exchange.site.parts
  const asked = parsePageSize(exchange.target.query)
  const last = parseLast(exchange.target.query)
  if (asked === undefined) {
    await sendAllTags(exchange, repository, last)
    return
  }
  const n = Math.min(asked, config.limits.tagEntries)
  const page = await listTags(registry, repository, last === undefined ? { n } : { n, last })
  const end = page.tags.at(-1)
  // Spec "Listing tags": with n=0 an empty list and no Link.
  const link = page.more && end !== undefined ? ['Link', nextPage(exchange, `${repository}/tags/list`, { last: end, n: String(n) })] : []
  respondJson(exchange, { name: repository, tags: page.tags }, [...cacheShortly(exchange), ...link])
}

/** Without `n` every tag is sent, however many, page by page: neither memory nor the event loop feels a hundred thousand. */
async function sendAllTags(exchange: Exchange, repository: TagsRoute['repository'], last: string | undefined): Promise<void> {
  const pages = allTags(exchange.site.parts.registry, repository, last === undefined ? {} : { last })[Symbol.asyncIterator]()
  // Two pages are read before anything is sent: an unknown repository is still answered as one, and a short list in one piece.
  const first = await nextOf(pages)
  const second = first === undefined ? undefined : await nextOf(pages)
  if (second === undefined) {
    respondJson(exchange, { name: repository, tags: first ?? [] }, cacheShortly(exchange))
    return
  }
  beginResponse(exchange, 200, ['Content-Type', 'application/json; charset=utf-8', ...cacheShortly(exchange)])
  if (exchange.request.method === 'HEAD') {
    await pages.return?.(undefined)
    endResponse(exchange)
    return
  }
  await writeBody(exchange, `{"name":${JSON.stringify(repository)},"tags":[${listed(first ?? [])}`)
  for (let page: Page | undefined = second; page !== undefined; page = await nextOf(pages)) {
    if (page.length > 0) await writeBody(exchange, `,${listed(page)}`)
  }
  endResponse(exchange, ']}')
}

type Page = readonly string[]

async function nextOf(pages: AsyncIterator<Page>): Promise<Page | undefined> {
  const step = await pages.next()
  return step.done === true ? undefined : step.value
}

function listed(names: readonly string[]): string {
  return JSON.stringify(names).slice(1, -1)
}
