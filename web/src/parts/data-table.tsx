/**
 * The table of every list: rows of one height, of which only those on the screen are drawn, so that a hundred thousand scroll like ten. The page scrolls,
 * not the table; more rows are asked for before the end comes into sight.
 */
import { Checkbox, Loader, VisuallyHidden } from '@mantine/core'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown, ArrowUp } from 'lucide-react'
import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'

/** A column. `hidden`: below which width of the window it is left out. */
export interface Column<Row> {
  readonly key: string
  readonly name: string
  /** It is told to screen readers alone: a column of buttons. */
  readonly isNameHidden?: boolean
  readonly width?: number | string
  readonly isEnd?: boolean
  readonly hidden?: 'wide' | 'middle'
  /** Name of the order that the server knows. */
  readonly sort?: string
  readonly cell: (row: Row) => ReactNode
}

/** Which rows are chosen. */
export interface Selection {
  readonly keys: ReadonlySet<string>
  readonly set: (keys: ReadonlySet<string>) => void
  /** Says to a screen reader which row the box is of. */
  readonly name: (key: string) => string
}

interface TableProps<Row> {
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  readonly sort?: string | undefined
  readonly onSort?: ((sort: string) => void) | undefined
  readonly selection?: Selection | undefined
  readonly more?: { readonly has: boolean; readonly isLoading: boolean; readonly load: () => void } | undefined
}

const rowHeight = 46

export function DataTable<Row>({ label, columns, rows, keyOf, sort, onSort, selection, more }: TableProps<Row>) {
  const { t } = useTranslation()
  const body = useRef<HTMLTableSectionElement>(null)
  const [margin, setMargin] = useState(0)
  useLayoutEffect(() => {
    const measure = () => setMargin(body.current === null ? 0 : Math.round(body.current.getBoundingClientRect().top + window.scrollY))
    measure()
    // What stands above may come later, and grow.
    const observer = new ResizeObserver(() => requestAnimationFrame(measure))
    observer.observe(document.body)
    return () => observer.disconnect()
  }, [])
  const virtual = useWindowVirtualizer({ count: rows.length, estimateSize: () => rowHeight, overscan: 12, scrollMargin: margin })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (more?.has === true && !more.isLoading && last >= rows.length - 60) more.load()
  }, [last, more, rows.length])
  const above = items[0] === undefined ? 0 : items[0].start - margin
  const below = items.length === 0 ? 0 : virtual.getTotalSize() - ((items.at(-1)?.end ?? 0) - margin)
  return (
    <div className="panel table-scroll">
      <table className="table" aria-label={label} aria-rowcount={more?.has === true ? -1 : rows.length + 1}>
        <thead>
          <tr>
            {selection !== undefined && <SelectAll selection={selection} keys={rows.map(keyOf)} />}
            {columns.map((column) => (
              <Head key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={moveRow}>
          <Spacer height={above} />
          {items.map(({ index }) => {
            const row = rows[index]
            if (row === undefined) return null
            const key = keyOf(row)
            return (
              <tr key={key} className="row" aria-rowindex={index + 2} {...(selection?.keys.has(key) === true && { 'data-selected': true })}>
                {selection !== undefined && <SelectRow selection={selection} row={key} />}
                {columns.map((column) => (
                  <td key={column.key} className={classOf(column)}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            )
          })}
          <Spacer height={below} />
        </tbody>
      </table>
      {more?.isLoading === true && (
        <div style={{ display: 'flex', justifyContent: 'center', padding: 12 }} role="status" aria-label={t('common.loading')}>
          <Loader size="xs" />
        </div>
      )}
    </div>
  )
}

/** Up and down go from row to row, to what stands at the same place; from the first one up to what narrows the list. */
function moveRow(event: KeyboardEvent<HTMLTableSectionElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
  const from = event.target as Element
  const cell = from.closest('td')
  const row = cell?.closest('tr')
  // Fields with a choice of their own use these keys themselves.
  if (!row || !cell || from.closest('input:not([type="checkbox"]), [role="combobox"], [aria-expanded="true"]') !== null) return
  const next = event.key === 'ArrowDown' ? row.nextElementSibling : row.previousElementSibling
  const what = 'a, button, input'
  const target =
    next?.children[cell.cellIndex]?.querySelector<HTMLElement>(what) ??
    next?.querySelector<HTMLElement>(what) ??
    (event.key === 'ArrowUp' ? document.querySelector<HTMLElement>('#content input[type="search"]') : null)
  if (target === null) return
  event.preventDefault()
  target.focus()
}

function classOf<Row>({ hidden, isEnd }: Column<Row>): string {
  return [hidden === undefined ? '' : `below-${hidden}`, isEnd === true ? 'end' : ''].join(' ').trim()
}

// One cell: as many as there are columns would count those that a narrow window hides.
function Spacer({ height }: { readonly height: number }) {
  if (height <= 0) return null
  return (
    <tr aria-hidden>
      <td style={{ height, padding: 0, border: 0 }} />
    </tr>
  )
}

interface HeadProps<Row> {
  readonly column: Column<Row>
  readonly sort: string | undefined
  readonly onSort: ((sort: string) => void) | undefined
}

function Head<Row>({ column, sort, onSort }: HeadProps<Row>) {
  const { name, width, sort: order, isNameHidden = false } = column
  const isUp = sort === order
  const isDown = sort === `-${order}`
  const isSortable = order !== undefined && onSort !== undefined
  const state = isUp ? 'ascending' : isDown ? 'descending' : 'none'
  return (
    <th
      scope="col"
      className={classOf(column)}
      {...(width !== undefined && { style: widthOf(width) })}
      {...(isSortable && { 'aria-sort': state })}
    >
      {isSortable ? (
        <button type="button" onClick={() => onSort(isUp ? `-${order}` : order)}>
          {name}
          {isUp && <ArrowUp size={12} aria-hidden />}
          {isDown && <ArrowDown size={12} aria-hidden />}
        </button>
      ) : isNameHidden ? (
        <VisuallyHidden>{name}</VisuallyHidden>
      ) : (
        name
      )}
    </th>
  )
}

/** On a phone only narrow columns keep their width; the others share what is left. */
function widthOf(width: number | string): CSSProperties {
  const isNarrow = typeof width === 'number' && width <= 100
  return { '--width': typeof width === 'number' ? `${width}px` : width, ...(isNarrow && { '--narrow': `${width}px` }) } as CSSProperties
}

function SelectAll({ selection, keys }: { readonly selection: Selection; readonly keys: readonly string[] }) {
  const { t } = useTranslation()
  const isAll = keys.length > 0 && keys.every((key) => selection.keys.has(key))
  return (
    <th scope="col" style={widthOf(44)}>
      <Checkbox
        size="xs"
        aria-label={t('common.selectAll')}
        checked={isAll}
        indeterminate={!isAll && selection.keys.size > 0}
        onChange={() => selection.set(isAll ? new Set() : new Set(keys))}
      />
    </th>
  )
}

function SelectRow({ selection, row }: { readonly selection: Selection; readonly row: string }) {
  const toggle = () => {
    const keys = new Set(selection.keys)
    if (!keys.delete(row)) keys.add(row)
    selection.set(keys)
  }
  return (
    <td>
      <Checkbox size="xs" aria-label={selection.name(row)} checked={selection.keys.has(row)} onChange={toggle} />
    </td>
  )
}
