#!/usr/bin/env bash
# One node of Slurm on this machine, for tests: controller, node and authentication under one folder, on ports of their
# own, so that another Slurm here is not disturbed. As root, without systemd.
#
#   apt-get install -y --no-install-recommends slurm-wlm munge      (the names in Debian and Ubuntu)
#   tools/slurm_one_node.sh up FOLDER       then: export SLURM_CONF=FOLDER/slurm.conf
#   tools/slurm_one_node.sh down FOLDER
#
# FOLDER must be an absolute path without blanks. The node claims four processors, whatever the machine has, and two
# GPUs that are none: enough to see that a task is handed its device.
set -euo pipefail

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
action=$1 folder=$2
case $folder in /*[[:space:]]* | [!/]*) usage ;; esac

free_port() {  # the first of two ports on which nobody listens
  local port
  for port in $(seq 16817 2 16997); do
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && ! (: <>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  return 1
}

ended() {  # whether a process has ended, within ten seconds; a zombie has, its parent has only not asked for it yet
  local state
  for _ in $(seq 100); do
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
    case $state in '' | Z | X) return 0 ;; esac
    sleep 0.1
  done
  return 1
}

down() {
  for name in slurmd slurmctld munged; do
    [ -s "$folder/$name.pid" ] || continue
    pid=$(cat "$folder/$name.pid")
    kill "$pid" 2>/dev/null || true
    ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    rm -f "$folder/$name.pid"
  done
}

write_config() {
  local host cpus memory port
  port=$(free_port)
  host=$(hostname -s) cpus=4
  memory=$(($(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) * 9 / 10))
  cat >"$folder/slurm.conf" <<CONF
ClusterName=hevesy
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
# a machine may stand still for some seconds between a question and its answer
MessageTimeout=100
# a requeued job may start again after this many seconds (120 by default); a task that takes as long to start is refused
AuthInfo=socket=$folder/munge.socket,cred_expire=30
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
MaxArraySize=8
KillWait=10
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
  printf "Name=gpu File=%s\n" /dev/null /dev/zero >"$folder/gres.conf"
}

up() {
  down
  # one at a time on this machine: two would take the same ports; given up at the end of this command
  exec 9>>"${TMPDIR:-/tmp}/hevesy-slurm-one-node.lock"
  flock 9
  mkdir -p "$folder/state" "$folder/spool"
  chmod 755 "$folder"
  if [ ! -s "$folder/munge.key" ]; then
    (umask 077 && head -c 128 /dev/urandom >"$folder/munge.key")
  fi
  write_config
  export SLURM_CONF=$folder/slurm.conf
  # --force: a folder under /tmp belongs to others too, which munged would refuse
  munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" --num-threads=2 2>>"$folder/munged.log" 9>&-
  slurmctld 9>&-
  slurmd 9>&-
  for _ in $(seq 3000); do
    if [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; then
      sinfo -o "%P %T %c CPUs %G"
      return
    fi
    sleep 0.1
  done
  echo "no idle node after 300 s; see the logs in $folder" >&2
  tail -n 5 "$folder"/*.log >&2
  down
  return 1
}

case $action in
  up) up ;;
  down) down ;;
  *) usage ;;
esac
