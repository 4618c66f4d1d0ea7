/** Names as prefixes at a `/`: what lies above and below them. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'

/** What lies above a name, longest first: `a/b/c` gives `a/b`, `a`. A repository's name has 127 of them at most. */
export function prefixesOf(name: string): string[] {
  const prefixes: string[] = []
  for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) prefixes.push(name.slice(0, end))
  return prefixes
}

/** Whether the column's value lies strictly below the prefix. A range, so an index on the column serves; `0` is the character after `/`. */
export function belowPrefix(column: string, prefix: string): RawBuilder<SqlBool> {
  const name = sql.ref(column)
  return sql<SqlBool>`(${name} > ${`${prefix}/`} and ${name} < ${`${prefix}0`})`
}

/** Whether one name lies strictly below the other. */
export function isBelow(name: string, prefix: string): boolean {
  return name.startsWith(`${prefix}/`)
}
