/** What caches between Berth and its clients may keep. */
import type { Exchange } from './exchange.ts'
import type { HeaderList } from './respond.ts'

const openImmutable: HeaderList = ['Cache-Control', 'max-age=31536000, immutable']
const guardedImmutable: HeaderList = ['Cache-Control', 'private, max-age=31536000, immutable', 'Vary', 'Authorization']
const openShort: HeaderList = ['Cache-Control', 'max-age=5, must-revalidate']
const guardedShort: HeaderList = ['Cache-Control', 'private, max-age=5, must-revalidate', 'Vary', 'Authorization']

/** By digest: the bytes never change. A cache that many share gets them only when anyone may have them. */
export function cacheForEver(exchange: Exchange): HeaderList {
  return isOpen(exchange) ? openImmutable : guardedImmutable
}

/** By tag, and lists: true for a moment, then to be asked about again with the entity tag. */
export function cacheShortly(exchange: Exchange): HeaderList {
  return isOpen(exchange) ? openShort : guardedShort
}

function isOpen({ site }: Exchange): boolean {
  return site.parts.config.auth.kind === 'open'
}
