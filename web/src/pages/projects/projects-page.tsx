/** All projects that somebody may see, as cards or as a table. */
import type { ResponseOf } from '#api/contract.ts'
import { Badge, Button, Group, SegmentedControl, SimpleGrid, Text, VisuallyHidden } from '@mantine/core'
import { useDisclosure, useLocalStorage } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { Boxes, Globe, LayoutGrid, Lock, Plus, Rows3 } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { pages, query } from '../../api/client.ts'
import { listProjects, readProjectUsage } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Choice } from '../../parts/choice.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList, type Listed } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { CreateProject } from './create-project.tsx'

export type ProjectRow = ResponseOf<typeof listProjects>['items'][number]

const scopes = ['all', 'mine', 'public'] as const

export function ProjectsPage() {
  const { t } = useTranslation()
  const who = useWho()
  const { q = '', view = 'all', sort = 'name' } = useSearch({ from: '/shell/projects/' })
  const [layout, setLayout] = useLocalStorage<'cards' | 'table'>({ key: 'berth-projects-as', defaultValue: 'cards' })
  const [isCreating, creating] = useDisclosure(false)
  const list = useList(
    pages(listProjects, {
      query: {
        limit: 60,
        sort: sort as 'name',
        ...(q !== '' && { name: q }),
        ...(view === 'mine' && { mine: true }),
        ...(view === 'public' && { public: true }),
      },
    }),
  )
  const set = useSetSearch()
  const create =
    who.isSignedIn || who.isOpen ? (
      <Button leftSection={<Plus size={15} />} onClick={creating.open}>
        {t('projects.create')}
      </Button>
    ) : undefined
  return (
    <>
      <PageHead title={t('projects.title')} description={t('projects.text')} actions={create} />
      <Listing
        list={list}
        filters={<Filters q={q} view={view} set={set} layout={layout} setLayout={setLayout} />}
        isNarrowed={q !== '' || view !== 'all'}
        empty={
          <Empty icon={<Boxes size={30} />} title={t('projects.none')} action={create}>
            {who.isSignedIn || who.isOpen ? t('projects.noneText') : t('projects.noneSigned')}
          </Empty>
        }
      >
        {layout === 'table' ? <ProjectTable list={list} sort={sort} onSort={(value) => set({ sort: value })} /> : <Cards list={list} />}
      </Listing>
      <CreateProject isOpen={isCreating} close={creating.close} />
    </>
  )
}

interface FilterProps {
  readonly q: string
  readonly view: string
  readonly set: (search: { q?: string | undefined; view?: string | undefined }) => void
  readonly layout: 'cards' | 'table'
  readonly setLayout: (layout: 'cards' | 'table') => void
}

function Filters({ q, view, set, layout, setLayout }: FilterProps) {
  const { t } = useTranslation()
  const who = useWho()
  return (
    <>
      <SearchBox label={t('projects.search')} value={q} onChange={(value) => set({ q: value })} />
      {who.isSignedIn && (
        <Choice
          label={t('projects.scope')}
          values={scopes}
          value={view}
          say={(scope) => t(`projects.scopes.${scope}`)}
          onChange={(scope) => set({ view: scope })}
        />
      )}
      <SegmentedControl
        size="xs"
        ml="auto"
        aria-label={t('projects.layout')}
        data={[
          { value: 'cards', label: <IconWithName icon={<LayoutGrid size={14} />} name={t('projects.cards')} /> },
          { value: 'table', label: <IconWithName icon={<Rows3 size={14} />} name={t('projects.table')} /> },
        ]}
        value={layout}
        onChange={(value) => setLayout(value === 'table' ? 'table' : 'cards')}
      />
    </>
  )
}

function IconWithName({ icon, name }: { readonly icon: ReactNode; readonly name: string }) {
  return (
    <span title={name} style={{ display: 'flex' }}>
      {icon}
      <VisuallyHidden>{name}</VisuallyHidden>
    </span>
  )
}

type ProjectList = Listed<ProjectRow>

function Cards({ list }: { readonly list: ProjectList }) {
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="md" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {list.items.map((project) => (
          <li key={project.id}>
            <Card project={project} />
          </li>
        ))}
      </SimpleGrid>
      <More more={list.more} />
    </>
  )
}

export function Visibility({ isPublic }: { readonly isPublic: boolean }) {
  const { t } = useTranslation()
  return (
    <Badge leftSection={isPublic ? <Globe size={11} aria-hidden /> : <Lock size={11} aria-hidden />}>
      {isPublic ? t('projects.public') : t('projects.private')}
    </Badge>
  )
}

/** The beginning of a description without its marks. */
function plainText(markdown: string): string {
  return markdown
    .slice(0, 400)
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*_`#>]+/g, '')
}

function Card({ project }: { readonly project: ProjectRow }) {
  const { t } = useTranslation()
  const { data: usage } = useQuery(query(readProjectUsage, { params: { project: project.name } }))
  return (
    <Link to="/projects/$" params={{ _splat: project.name }} search={{}} className="panel project-card">
      <Group justify="space-between" wrap="nowrap" gap="sm">
        <Text component="h2" fw={600} size="lg" m={0} className="cut">
          {project.name}
        </Text>
        <Visibility isPublic={project.isPublic} />
      </Group>
      <Text c="dimmed" size="sm" lineClamp={2} mih={38} mt={4} className="wrap">
        {project.description === '' ? t('common.noDescription') : plainText(project.description)}
      </Text>
      <Group gap="lg" mt="sm">
        <Text size="sm" c="dimmed" className="number">
          {usage === undefined ? '…' : t('projects.repositories', { count: usage.repositories, shown: formatNumber(usage.repositories) })}
        </Text>
        <Text size="sm" c="dimmed" className="number">
          {usage === undefined ? '…' : formatBytes(usage.bytes)}
        </Text>
      </Group>
    </Link>
  )
}

function ProjectTable({
  list,
  sort,
  onSort,
}: {
  readonly list: ProjectList
  readonly sort: string
  readonly onSort: (sort: string) => void
}) {
  const { t } = useTranslation()
  const columns: readonly Column<ProjectRow>[] = [
    {
      key: 'name',
      name: t('common.name'),
      sort: 'name',
      cell: ({ name }) => (
        <Link to="/projects/$" params={{ _splat: name }} search={{}} className="link">
          {name}
        </Link>
      ),
    },
    { key: 'visibility', name: t('projects.visibility'), width: 110, cell: ({ isPublic }) => <Visibility isPublic={isPublic} /> },
    {
      key: 'description',
      name: t('common.description'),
      hidden: 'wide',
      cell: ({ description }) => <div className="cut">{description}</div>,
    },
    { key: 'size', name: t('common.size'), width: 100, isEnd: true, hidden: 'middle', cell: ({ name }) => <Size project={name} /> },
    {
      key: 'updatedAt',
      name: t('common.changed'),
      sort: 'updatedAt',
      width: 150,
      hidden: 'middle',
      cell: ({ updatedAt }) => (updatedAt === null ? '–' : <RelativeTime at={updatedAt} />),
    },
  ]
  return (
    <DataTable
      label={t('projects.title')}
      columns={columns}
      rows={list.items}
      keyOf={({ name }) => name}
      sort={sort}
      onSort={onSort}
      more={list.more}
    />
  )
}

function Size({ project }: { readonly project: string }) {
  const { data } = useQuery(query(readProjectUsage, { params: { project } }))
  return <span className="number">{data === undefined ? '…' : formatBytes(data.bytes)}</span>
}
