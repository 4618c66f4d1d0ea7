/** The runs of a policy, and what one decided: tag by tag, with the rule that won. What a run removed can come back. */
import type { ItemOf } from '../../api/client.ts'
import { Alert, Badge, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Info, Play, Square, Undo2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import { change, keyOf, pages, query, queryClient } from '../../api/client.ts'
import {
  listRetentionDecisions,
  listRetentionPolicies,
  listRetentionRuns,
  readRetentionRun,
  startRetentionRun,
  stopRetentionRun,
  undoRetentionRun,
} from '../../api/manage-routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Choice } from '../../parts/choice.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { WorkButton } from '../../parts/form.tsx'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { formatNumber } from '../../parts/sizes.ts'
import { useWords } from '../../parts/use-words.ts'
import type { Policy } from './retention-draft.ts'

type Run = ItemOf<typeof listRetentionRuns>
type Decision = ItemOf<typeof listRetentionDecisions>
const refreshMs = 2_000
const isOver = (run: Pick<Run, 'state'>) => run.state !== 'waiting' && run.state !== 'running'

interface RunsProps {
  readonly project: string
  readonly policy: Policy
  readonly rights: ReadonlySet<string>
  /** The run that is shown at first. */
  readonly first: number | undefined
}

export function RetentionRuns({ project, policy, rights, first }: RunsProps) {
  const { t } = useWords()
  const [chosen, setChosen] = useState(first)
  const list = useList(pages(listRetentionRuns, { params: { project, policy: policy.name }, query: { limit: 20, sort: '-id' } }))
  return (
    <Stack>
      <Text fw={600}>{policy.name}</Text>
      {chosen !== undefined && <OneRun key={chosen} project={project} policy={policy} rights={rights} id={chosen} show={setChosen} />}
      <Panel title={t('manage:retention.runs')} isFlush>
        <Listing list={list} empty={<None>{t('manage:retention.noRuns')}</None>}>
          <ul className="rows">
            {list.items.map((run) => (
              <Row
                key={run.id}
                title={
                  <button type="button" className="plain link" onClick={() => setChosen(run.id)}>
                    {run.isDry ? t('manage:retention.dryRun') : t('manage:retention.realRun')} {run.id}
                  </button>
                }
                text={
                  <>
                    {run.startedBy} · <RelativeTime at={run.startedAt} />
                  </>
                }
              >
                <RunState run={run} />
              </Row>
            ))}
          </ul>
          <More more={list.more} />
        </Listing>
      </Panel>
    </Stack>
  )
}

const colors = { waiting: 'gray', running: 'blue', done: 'tide', failed: 'red', stopped: 'yellow' } as const

function RunState({ run }: { readonly run: Run }) {
  const { t } = useWords()
  return (
    <Group gap={8}>
      <span className="number">
        {t(run.isDry ? 'manage:retention.wouldGo' : 'manage:retention.went', {
          removed: formatNumber(run.removed),
          kept: formatNumber(run.kept),
        })}
      </span>
      <Badge variant="dot" color={colors[run.state]}>
        {t(`jobs.states.${run.state}`)}
      </Badge>
    </Group>
  )
}

interface OneProps extends Omit<RunsProps, 'first'> {
  readonly id: number
  readonly show: (run: number) => void
}

function OneRun({ project, policy, rights, id, show }: OneProps) {
  const { t } = useWords()
  const { data: run, error } = useQuery({
    ...query(readRetentionRun, { params: { project, run: id } }),
    refetchInterval: ({ state }) => (state.data === undefined || !isOver(state.data) ? refreshMs : false),
  })
  const hasEnded = run !== undefined && isOver(run)
  // Its end changes the list, and which revision of the policy was shown.
  useEffect(() => {
    if (!hasEnded) return
    for (const route of [listRetentionRuns, listRetentionPolicies, listRetentionDecisions])
      void queryClient.invalidateQueries({ queryKey: keyOf(route) })
  }, [hasEnded])
  if (error !== null) return <Problem error={error} />
  if (run === undefined) return <Waiting rows={3} />
  const isPresent = run.revision === policy.revision
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text fw={500}>{`${run.isDry ? t('manage:retention.dryRun') : t('manage:retention.realRun')} ${run.id}`}</Text>
        <RunState run={run} />
      </Group>
      {run.error !== null && (
        <Text size="sm" c="red" className="wrap" lang="en">
          {run.error}
        </Text>
      )}
      {hasEnded && run.isDry && (
        <Alert icon={<Info size={17} />} color="blue">
          <Text size="sm" c="var(--mantine-color-text)">
            {run.removed === 0
              ? t('manage:retention.nothingGoes')
              : isPresent
                ? t('manage:retention.explained')
                : t('manage:retention.outdated')}
          </Text>
        </Alert>
      )}
      <RunButtons project={project} policy={policy} rights={rights} run={run} show={show} />
      {hasEnded && <Decisions project={project} run={run} />}
    </Stack>
  )
}

interface ButtonsProps extends Omit<OneProps, 'id'> {
  readonly run: Run
}

/** What may be done with a run, as it stands. */
function RunButtons({ project, policy, rights, run, show }: ButtonsProps) {
  const { t } = useWords()
  const params = { project, run: run.id }
  const remove = async () => {
    const body = { dryRun: false, shownBy: run.id }
    const started = await change(startRetentionRun, { params: { project, policy: policy.name }, body }, [listRetentionRuns])
    show(started.id)
  }
  const undo = async () => {
    let before: number | null = null
    let restored = 0
    do {
      const answer: { restored: number; next: number | null } = await change(undoRetentionRun, {
        params,
        body: before === null ? {} : { before },
      })
      restored += answer.restored
      before = answer.next
    } while (before !== null)
    tell(t('manage:retention.undone', { shown: formatNumber(restored) }))
    await queryClient.invalidateQueries()
  }
  const isEnd = isOver(run)
  const mayRun = rights.has('retention:run')
  // Only what the policy still says, and its run said wholly, can be done as it was shown.
  const mayFollow = isEnd && run.isDry && run.state === 'done' && run.revision === policy.revision && policy.isEnabled
  const mayUndo = isEnd && !run.isDry && rights.has('trash:restore')
  return (
    <>
      <Group gap="xs">
        {!isEnd && mayRun && (
          <WorkButton
            size="compact-sm"
            variant="default"
            leftSection={<Square size={12} />}
            work={() => change(stopRetentionRun, { params }, [readRetentionRun])}
          >
            {t('jobs.stop')}
          </WorkButton>
        )}
        {mayFollow && mayRun && run.removed > 0 && (
          <WorkButton size="compact-sm" color="red" variant="light" leftSection={<Play size={13} />} work={remove}>
            {t('manage:retention.removeNow', { shown: formatNumber(run.removed) })}
          </WorkButton>
        )}
        {mayUndo && run.removed > 0 && (
          <WorkButton size="compact-sm" variant="default" leftSection={<Undo2 size={13} />} work={undo}>
            {t('common.undo')}
          </WorkButton>
        )}
      </Group>
    </>
  )
}

const actions = ['remove', 'keep', 'failed'] as const
const actionColors = { keep: 'tide', remove: 'yellow', removed: 'red', failed: 'red' } as const

function Decisions({ project, run }: { readonly project: string; readonly run: Run }) {
  const { t } = useWords()
  const [action, setAction] = useState<(typeof actions)[number]>('remove')
  const list = useList(pages(listRetentionDecisions, { params: { project, run: run.id }, query: { limit: 200, action } }))
  const columns = useColumns()
  return (
    <Stack gap="sm">
      <Choice
        label={t('manage:retention.decision')}
        values={actions}
        value={action}
        say={(each) => t(`manage:retention.actions.${each}`)}
        onChange={(each) => setAction(each ?? 'remove')}
      />
      <Listing list={list} empty={<None>{t('manage:retention.noDecisions')}</None>}>
        <DataTable
          label={t('manage:retention.decisions')}
          columns={columns}
          rows={list.items}
          keyOf={({ repository, tag }) => `${repository}:${tag}`}
          more={list.more}
        />
      </Listing>
    </Stack>
  )
}

function useColumns(): readonly Column<Decision>[] {
  const { t } = useWords()
  return [
    {
      key: 'tag',
      name: t('common.tag'),
      cell: ({ repository, tag }) => (
        <Link
          to="/repositories/$"
          params={{ _splat: placeOf(repository, 'tags', tag) }}
          search={{}}
          className="link cut"
          title={`${repository}:${tag}`}
        >
          {`${repository}:${tag}`}
        </Link>
      ),
    },
    {
      key: 'action',
      name: t('manage:retention.decision'),
      width: 110,
      cell: (decision) => (
        <Badge variant="dot" color={actionColors[decision.action]}>
          {t(`manage:retention.actions.${decision.action}`)}
        </Badge>
      ),
    },
    {
      key: 'reason',
      name: t('manage:retention.why'),
      hidden: 'middle',
      cell: ({ rule, reason }) => (
        <div className="cut" title={reason} lang="en">
          {rule === '' ? reason : `${rule}: ${reason}`}
        </div>
      ),
    },
    { key: 'pushed', name: t('tags.pushed'), width: 120, hidden: 'wide', cell: ({ pushedAt }) => <RelativeTime at={pushedAt} /> },
  ]
}
