/** The labels of a manifest: seen by all who see it, put on and taken off by those who may. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Group, Menu, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Tag, X } from 'lucide-react'
import { change, query } from '../../api/client.ts'
import { addManifestLabel, listManifestLabels, listProjectLabels, removeManifestLabel } from '../../api/manage-routes.ts'
import { listTags, readManifest } from '../../api/routes.ts'
import { useProjectRights } from '../../api/session.ts'
import { act } from '../../parts/form.tsx'
import { ColorDot } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'

type Label = ItemOf<typeof listManifestLabels>
const touched = [listManifestLabels, listTags, readManifest]

interface LabelsProps {
  /** Undefined while it is not known: nothing is put on till then. */
  readonly project: string | undefined
  readonly repository: string
  readonly digest: string
  readonly rights: ReadonlySet<string>
}

export function ManifestLabels({ project, repository, digest, rights }: LabelsProps) {
  const { t } = useWords()
  const { data } = useQuery(query(listManifestLabels, { params: { repository, digest } }))
  const mayList = useProjectRights(project).has('label:list')
  const mayChange = rights.has('manifest:label')
  const labels = data?.items ?? []
  if (labels.length === 0 && !(mayChange && mayList)) return null
  const put = (label: Label, isOn: boolean) =>
    void act(() => change(isOn ? addManifestLabel : removeManifestLabel, { params: { repository, digest, label: label.id } }, touched))
  return (
    <Group gap={6} mb="md" role="group" aria-label={t('manage:labels.title')}>
      {labels.map((label) => (
        <Badge
          key={label.id}
          leftSection={<ColorDot color={label.color} />}
          {...(mayChange && {
            rightSection: (
              <ActionIcon size={16} onClick={() => put(label, false)} aria-label={t('manage:labels.takeOff', { name: label.name })}>
                <X size={11} />
              </ActionIcon>
            ),
          })}
        >
          {label.name}
        </Badge>
      ))}
      {project !== undefined && mayChange && mayList && <Choose project={project} labels={labels} put={put} />}
    </Group>
  )
}

interface ChooseProps {
  readonly project: string
  readonly labels: readonly Label[]
  readonly put: (label: Label, isOn: boolean) => void
}

function Choose({ project, labels, put }: ChooseProps) {
  const { t } = useWords()
  const { data } = useQuery(query(listProjectLabels, { params: { project }, query: { usable: true, sort: 'name', limit: 200 } }))
  const held = new Set(labels.map(({ id }) => id))
  return (
    <Menu position="bottom-start" shadow="md" radius="lg" closeOnItemClick={false}>
      <Menu.Target>
        <Button size="compact-xs" variant="default" leftSection={<Tag size={12} />}>
          {t('manage:labels.put')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah={320} style={{ overflowY: 'auto' }}>
        {data?.items.length === 0 && (
          <Text size="sm" c="dimmed" p={8}>
            {t('manage:labels.none')}
          </Text>
        )}
        {data?.items.map((label) => (
          <Menu.CheckboxItem key={label.id} checked={held.has(label.id)} onChange={(isOn) => put(label, isOn)}>
            <Group gap={8} wrap="nowrap">
              <ColorDot color={label.color} />
              {label.name}
            </Group>
          </Menu.CheckboxItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
