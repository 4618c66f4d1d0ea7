/** One search over everything that has a name, from everywhere by ⌘K: a field that keeps the focus, and results that arrows move through. */
import type { ResponseOf } from '#api/contract.ts'
import type { search as searchRoute } from '#api/routes/search.ts'
import { Loader, Modal, Text, VisuallyHidden } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Boxes, Bookmark, Hash, Package, Search, Tag, type LucideIcon } from 'lucide-react'
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { search } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Problem } from '../../parts/problem.tsx'
import { formatNumber } from '../../parts/sizes.ts'
import './search.css'

export type Found = ResponseOf<typeof searchRoute>['items'][number]

const kinds = ['project', 'repository', 'tag', 'digest', 'label'] as const
const icons: Readonly<Record<Found['kind'], LucideIcon>> = { project: Boxes, repository: Package, tag: Tag, digest: Hash, label: Bookmark }
/** Of each kind. */
const shownOfKind = 8
/** So long nothing is asked after a key: fast typists ask once. */
const quietMs = 120

export function SearchPalette({ close }: { readonly close: () => void }) {
  const { t } = useTranslation()
  return (
    <Modal.Root opened onClose={close} size={640} yOffset="10vh" radius="lg">
      <Modal.Overlay backgroundOpacity={0.35} />
      <Modal.Content aria-label={t('search.open')}>
        <Modal.Body p={0}>
          <Palette close={close} initial="" />
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  )
}

/** What was found for the text, a moment after the last key. */
function useFound(text: string) {
  const [wanted] = useDebouncedValue(text.trim(), quietMs)
  // What is asked no longer is aborted: its answer would come after that of a later key.
  const { data, error, isFetching, isPlaceholderData, refetch } = useQuery({
    ...query(search, { query: { q: wanted, limit: shownOfKind } }),
    enabled: wanted !== '',
    placeholderData: keepPreviousData,
  })
  const found = useMemo(() => (wanted === '' || text.trim() === '' ? [] : inOrder(data?.items ?? [])), [wanted, text, data])
  const isCurrent = text.trim() === wanted && !isPlaceholderData && !isFetching
  return { wanted, found, error: wanted === '' ? null : error, isFetching, isCurrent, isComplete: data?.isComplete !== false, refetch }
}

interface PaletteProps {
  /** Before what was found is opened. */
  readonly close: () => void
  readonly initial: string
  /** Told of each text that is asked for. */
  readonly onWanted?: ((text: string) => void) | undefined
}

/** The field and what was found. */
export function Palette({ close, initial, onWanted }: PaletteProps) {
  const { t } = useTranslation()
  const id = useId()
  const navigate = useNavigate()
  const [text, setText] = useState(initial)
  const [active, setActive] = useState(0)
  // Enter may be quicker than the answer: what is opened is of what is written now, never of what was.
  const [isEntered, setEntered] = useState(false)
  const { wanted, found, error, isFetching, isCurrent, isComplete, refetch } = useFound(text)
  useEffect(() => setActive(0), [found])
  useEffect(() => onWanted?.(wanted), [wanted, onWanted])
  const open = (thing: Found | undefined) => {
    if (thing === undefined) return
    close()
    void navigate({ ...targetOf(thing), search: {} })
  }
  useEffect(() => {
    if (!isEntered || !isCurrent) return
    setEntered(false)
    open(found[0])
  })
  const onKeyDown = (event: KeyboardEvent) => {
    // While letters of Chinese are being composed, keys choose among those.
    if (event.nativeEvent.isComposing) return
    if (event.key === 'Enter') {
      if (isCurrent) open(found[active])
      else setEntered(true)
    }
    const to = moved(event.key, active, found.length)
    if (to === undefined) return
    event.preventDefault()
    setActive(to)
  }
  return (
    <>
      <div className="palette-field">
        {isFetching ? <Loader size={16} aria-hidden /> : <Search size={17} aria-hidden />}
        <input
          data-autofocus
          role="combobox"
          aria-expanded={found.length > 0}
          aria-controls={id}
          aria-autocomplete="list"
          aria-label={t('search.label')}
          {...(found.length > 0 && { 'aria-activedescendant': `${id}-${active}` })}
          placeholder={t('search.shown')}
          maxLength={512}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          value={text}
          onChange={(event) => {
            setEntered(false)
            setText(event.currentTarget.value)
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <VisuallyHidden role="status">
        {wanted === '' || isFetching ? '' : t('search.results', { count: found.length, shown: formatNumber(found.length) })}
      </VisuallyHidden>
      {error !== null && (
        <div style={{ padding: 12 }}>
          <Problem error={error} retry={() => void refetch()} />
        </div>
      )}
      <Results id={id} found={error === null ? found : []} active={active} setActive={setActive} open={open} />
      {error === null && found.length === 0 && <Nothing wanted={wanted} isCurrent={isCurrent} />}
      <Foot isComplete={found.length === 0 || isComplete} />
    </>
  )
}

/** What can be looked for, or that it is not there. */
function Nothing({ wanted, isCurrent }: { readonly wanted: string; readonly isCurrent: boolean }) {
  const { t } = useTranslation()
  if (wanted === '') {
    return (
      <Text size="sm" c="dimmed" p={16}>
        {t('search.hint')}
      </Text>
    )
  }
  if (!isCurrent) return <div style={{ height: 16 }} />
  return (
    <div style={{ padding: 16 }}>
      <Text fw={500} className="wrap">
        {t('search.none', { text: wanted })}
      </Text>
      <Text size="sm" c="dimmed">
        {t('search.noneText')}
      </Text>
    </div>
  )
}

/** Each kind together; within one the server's order, which has the best first. */
function inOrder(items: readonly Found[]): readonly Found[] {
  return kinds.flatMap((kind) => items.filter((each) => each.kind === kind))
}

/** Where a key leads, round at the ends. */
function moved(key: string, active: number, count: number): number | undefined {
  if (count === 0) return undefined
  if (key === 'ArrowDown') return (active + 1) % count
  if (key === 'ArrowUp') return (active - 1 + count) % count
  if (key === 'PageDown') return Math.min(count - 1, active + 6)
  if (key === 'PageUp') return Math.max(0, active - 6)
  return undefined
}

type Target =
  | { readonly to: '/projects/$' | '/repositories/$'; readonly params: { readonly _splat: string } }
  | { readonly to: '/repositories' | '/admin/labels' }

function targetOf({ kind, project, repository, tag, digest, content }: Found): Target {
  if (kind === 'project' && project !== undefined) return { to: '/projects/$', params: { _splat: project } }
  if (kind === 'label') {
    return project === undefined ? { to: '/admin/labels' } : { to: '/projects/$', params: { _splat: placeOf(project, 'labels') } }
  }
  if (repository === undefined) return { to: '/repositories' }
  if (kind === 'tag' && tag !== undefined) return { to: '/repositories/$', params: { _splat: placeOf(repository, 'tags', tag) } }
  if (kind === 'digest' && digest !== undefined && content === 'manifest')
    return { to: '/repositories/$', params: { _splat: placeOf(repository, 'manifests', digest) } }
  return { to: '/repositories/$', params: { _splat: repository } }
}

interface ResultsProps {
  readonly id: string
  readonly found: readonly Found[]
  readonly active: number
  readonly setActive: (at: number) => void
  readonly open: (thing: Found) => void
}

function Results({ id, found, active, setActive, open }: ResultsProps) {
  const { t } = useTranslation()
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [active, found])
  if (found.length === 0) return <div id={id} />
  return (
    <div className="palette-results" id={id} role="listbox" aria-label={t('search.open')} ref={list} tabIndex={-1}>
      {kinds.map((kind) => {
        const first = found.findIndex((each) => each.kind === kind)
        if (first < 0) return null
        return (
          <div key={kind} role="group" aria-label={t(`search.kinds.${kind}`)}>
            <p className="nav-title" aria-hidden>
              {t(`search.kinds.${kind}`)}
            </p>
            {found.map((thing, at) =>
              thing.kind === kind ? (
                <div
                  key={at}
                  id={`${id}-${at}`}
                  role="option"
                  aria-selected={at === active}
                  className="palette-item"
                  onMouseMove={() => setActive(at)}
                  onClick={() => open(thing)}
                >
                  <Result thing={thing} />
                </div>
              ) : null,
            )}
          </div>
        )
      })}
    </div>
  )
}

function Result({ thing }: { readonly thing: Found }) {
  const { t } = useTranslation()
  const Icon = icons[thing.kind]
  const [name, beside] = wordsOf(thing, { blob: t('search.blob'), everywhere: t('search.everywhere') })
  return (
    <>
      <Icon size={15} aria-hidden />
      <span className={thing.kind === 'digest' ? 'mono cut' : 'cut'}>{name}</span>
      <span className="palette-beside cut">{beside}</span>
    </>
  )
}

function wordsOf(
  { kind, project, repository, tag, digest, content, label }: Found,
  said: { readonly blob: string; readonly everywhere: string },
): readonly [string, string] {
  if (kind === 'project') return [project ?? '', '']
  if (kind === 'repository') return [repository ?? '', project ?? '']
  if (kind === 'tag') return [`${repository ?? ''}:${tag ?? ''}`, (digest ?? '').slice(7, 19)]
  if (kind === 'digest')
    return [(digest ?? '').slice(0, 26), content === 'blob' ? `${repository ?? ''} · ${said.blob}` : (repository ?? '')]
  return [label ?? '', project ?? said.everywhere]
}

function Foot({ isComplete }: { readonly isComplete: boolean }) {
  const { t } = useTranslation()
  return (
    <div className="palette-foot">
      <span aria-hidden className="below-middle">
        <kbd>↑</kbd> <kbd>↓</kbd> {t('search.move')} <kbd>↵</kbd> {t('search.openResult')} <kbd>esc</kbd> {t('search.close')}
      </span>
      <span>{isComplete ? '' : t('search.more')}</span>
    </div>
  )
}
