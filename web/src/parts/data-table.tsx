/**
 * The table of every list: rows of one height, of which only those on the screen are drawn, so that a hundred thousand scroll like ten. The page scrolls,
 * not the table; more rows are asked for before the end comes into sight.
 */
import { Loader, VisuallyHidden } from '@mantine/core'
import { ArrowDown, ArrowUp } from 'lucide-react'
import { memo, useCallback, useEffect, useRef, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useVisibleRows } from './visible-rows.ts'

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
  const { first, end } = useVisibleRows({ count: rows.length, rowHeight, body })
  useEffect(() => {
    if (more?.has === true && !more.isLoading && end > rows.length - 60) more.load()
  }, [end, more, rows.length])
  const latest = useRef(selection)
  useEffect(() => {
    latest.current = selection
  })
  // The same for all rows and for as long as the table stands: a row that did not change is not drawn anew.
  const toggle = useCallback((key: string) => {
    if (latest.current === undefined) return
    const keys = new Set(latest.current.keys)
    if (!keys.delete(key)) keys.add(key)
    latest.current.set(keys)
  }, [])
  return (
    <div className="panel table-scroll">
      <table className="table" aria-label={label} aria-rowcount={more?.has === true ? -1 : rows.length + 1}>
        <thead>
          <tr>
            {selection !== undefined && <SelectAll selection={selection} rows={rows} keyOf={keyOf} />}
            {columns.map((column) => (
              <Head key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={moveRow}>
          <Spacer height={first * rowHeight} />
          {rows.slice(first, end).map((row, at) => {
            const key = keyOf(row)
            return (
              <Row
                key={key}
                index={first + at}
                row={row}
                name={key}
                columns={columns}
                {...(selection !== undefined && { isSelected: selection.keys.has(key), select: selection.name(key), toggle })}
              />
            )
          })}
          <Spacer height={(rows.length - end) * rowHeight} />
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

interface RowProps<Item> {
  readonly index: number
  readonly row: Item
  /** Its key. */
  readonly name: string
  readonly columns: readonly Column<Item>[]
  readonly isSelected?: boolean
  /** What its box is called; without it, there is none. */
  readonly select?: string
  readonly toggle?: (key: string) => void
}

const Row = memo(function TableRow<Item>({ index, row, name, columns, isSelected = false, select, toggle }: RowProps<Item>) {
  return (
    <tr className="row" aria-rowindex={index + 2} {...(isSelected && { 'data-selected': true })}>
      {select !== undefined && (
        <td>
          <input type="checkbox" className="check" aria-label={select} checked={isSelected} onChange={() => toggle?.(name)} />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.key} className={classOf(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  )
}) as <Item>(props: RowProps<Item>) => ReactNode

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

interface SelectAllProps<Row> {
  readonly selection: Selection
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
}

function SelectAll<Row>({ selection, rows, keyOf }: SelectAllProps<Row>) {
  const { t } = useTranslation()
  const isAll = rows.length > 0 && selection.keys.size >= rows.length && rows.every((row) => selection.keys.has(keyOf(row)))
  return (
    <th scope="col" style={widthOf(44)}>
      <input
        type="checkbox"
        className="check"
        ref={(box) => {
          if (box !== null) box.indeterminate = !isAll && selection.keys.size > 0
        }}
        aria-label={t('common.selectAll')}
        checked={isAll}
        onChange={() => selection.set(isAll ? new Set() : new Set(rows.map(keyOf)))}
      />
    </th>
  )
}
