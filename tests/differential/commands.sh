# %% one command
echo hello
# %% several on a line
echo a; echo b && echo c; false || echo d
# %% no newline at the end
printf 'no newline'
# %% status of the last
echo a
false
# %% status of a missing command
nosuchcommand
# %% a failing command does not end it
ls /nosuchfolder
echo on
# %% status is kept
(exit 3)
echo $?
echo $?
true | (exit 4)
echo $? ${PIPESTATUS[@]}
# %% status of a pipe
false | true
echo "${PIPESTATUS[@]}"
set -o pipefail
false | true
echo $?
# %% last argument
echo one two
echo $_
: three
echo "$_"
# %% exit
echo a
exit
echo never
# %% exit with a status
echo a
exit 7
echo never
# %% exit in a function
f() { echo in; exit 5; }
f
echo never
# %% exit in a subshell
(exit 5)
echo still $?
# %% errexit
set -e
echo a
false
echo never
# %% errexit and conditions
set -e
false || true
if false; then echo no; fi
! true
echo "status $?"
false && true
echo end $?
# %% unset variable
set -u
echo "${x-default}"
echo $x
echo never
# %% exec
exec echo replaced
echo never
# %% exec of descriptors
exec 3> log
echo to log >&3
exec 3>&-
cat log
# %% output to a file from here on
exec > out
echo hidden
ls
# %% variables
x=1
y="$x two"
z=(a "b c" d)
echo "$x" "$y" "${#z[@]}" "${z[1]}"
# %% map
declare -A m
m[a b]=1
m["c]"]=2
for k in "a b" "c]"; do echo "$k=${m[$k]}"; done
# %% exported
export A=1
B=2
sh -c 'echo "$A" "$B"'
C=3 sh -c 'echo $C'
echo "$C"
# %% functions
greet() {
  local name=$1
  echo "hello $name"
  return 3
}
greet world
echo $?
# %% recursion
fact() { if (( $1 < 2 )); then echo 1; else echo $(( $1 * $(fact $(( $1 - 1 ))) )); fi; }
fact 10
# %% if
if [ 1 -eq 2 ]
then
  echo no
elif [[ a == a ]]; then
  echo yes
else echo other
fi
# %% loops
for i in 1 2 3; do
  [ $i -eq 2 ] && continue
  echo $i
done
i=0
while [ $i -lt 3 ]; do i=$((i + 1)); [ $i = 2 ] && break; done
echo $i
until true; do :; done
for ((k = 0; k < 2; k++)); do echo k$k; done
# %% break outside
break
echo $?
# %% case
case abc in
  x) echo x;;
  a*|b) echo a ;&
  *) echo fell;;
esac
# %% read a here-document
while read -r a b; do
  echo "$b $a"
done <<EOF
1 one
2 two
EOF
# %% here-documents
x=5
cat <<A; cat <<'B'
x is $x $(echo sub)
A
x is $x \
B
cat <<-C
	tabs
	C
# %% here-document with a fence
cat > README.md <<'EOF'
# Title
  ```
  echo not the end
  ```
EOF
cat README.md
# %% here-string
tr a-z A-Z <<< "some text"
# %% quotes
echo 'single "quoted"
over lines' "double \"$(echo 'nested "x"')\" \\ \`" $'tab\tend'
# %% substitution over lines
x=$(
  echo one   # it's a comment
  echo two
)
echo "$x"
# %% backquotes
echo `echo a \`echo b\``
# %% arithmetic
x=5
((x += 2, x <<= 1))
echo $x $((x > 3 ? 1 : 0)) $(( (1 << 3) + 0x1f ))
# %% expansions
p=/a/b/c.tar.gz
echo ${p##*/} ${p%%.*} ${p/b/X} ${p:2:3} ${#p} ${q:-none} ${p^^}
# %% patterns
touch a1 a2 b1
echo a* [!a]* nosuch*
shopt -s extglob nullglob
echo !(a*) nosuch*
# %% braces
echo {a,b}{1..3}
# %% processes
diff <(echo a) <(echo b)
echo $?
# %% pipes
printf 'c\na\nb\n' |
  sort |
  # a comment
  head -2
# %% and, or
true &&
  echo and ||
  echo or
# %% continued lines
echo a \
  b \
  c
# %% background
sleep 0.05 && echo background &
echo foreground
wait
echo done
# %% job's status
(exit 3) &
wait $!
echo $?
# %% trap at the end
trap 'echo bye' EXIT
echo hello
exit
# %% trap and exit
trap 'echo "bye $?"' EXIT
exit 4
# %% trap of errors
trap 'echo "failed: $BASH_COMMAND"' ERR
false
true
echo end
# %% trap of a signal
trap 'echo got it' USR1
kill -USR1 $$
echo on
# %% killed
kill -TERM $$
echo never
# %% tracing
set -x
echo traced "a b"
x=1
for i in 1 2; do :; done
# %% standard input is empty
cat
read x
echo "read: $? [$x]"
# %% standard error
echo out
echo err >&2
ls nosuchfile 2>&1
# %% arguments
set -- a 'b c'
echo $# "$2" "$*"
shift
echo "$1"
# %% getopts
set -- -a -b val rest
while getopts ab: o; do echo "$o $OPTARG"; done
shift $((OPTIND - 1))
echo "$1"
# %% folders
mkdir -p a/b
cd a/b
pwd
cd - 
pushd a
popd
echo $OLDPWD
# %% files
echo one > f
echo two >> f
cp f g
ln -s f link
chmod 755 g
rm f
ls -l g | cut -c1-10
# %% globals in subshells
x=1
(x=2; cd /; echo $x $PWD)
echo $x $PWD
# %% aliases
shopt -s expand_aliases
alias hi='echo hi'
hi there
# %% indirect
x=y
y=z
echo ${!x}
declare -n r=y
r=new
echo $y
# %% eval and source
eval 'a=1
echo $a'
echo 'b=2; echo sourced $1' > lib.sh
. ./lib.sh arg
echo $b
# %% script
cat > s.sh <<'EOF'
#!/bin/bash
echo "script $1 $#"
exit 2
EOF
chmod +x s.sh
./s.sh x y
echo $?
# %% printf
printf '%s-%05d|%q\n' a 42 'b c'
printf -v x '%x' 255
echo $x
# %% random is seeded
RANDOM=1
a=$RANDOM
RANDOM=1
[ $a = $RANDOM ] && echo same
# %% coproc
coproc CAT { cat; }
echo to >&${CAT[1]}
read -r back <&${CAT[0]}
echo $back
# %% time and not
! false
echo $?
time -p true 2> /dev/null
# %% mapfile
mapfile -t lines < <(printf 'a\nb\n')
echo ${#lines[@]} ${lines[1]}
# %% large output
seq 1 20000
# %% binary
printf '\377\000\001' > bin
wc -c < bin
# %% unicode
ü="ä"
echo "äöü" | wc -c
# %% python
python3 -c 'import sys; print(sys.argv)' a b
# %% comments only
# nothing

  # at all
# %% nothing to show
x=1
# %% syntax error
echo before
fi
echo after
# %% syntax error in a compound
echo before
if true; then; fi
echo after
# %% error in an eval
eval "echo 'open"
echo "status $?"
# %% unclosed quote [open]
echo before
echo 'open
# %% unclosed if [open]
echo before
if true; then
  echo in
# %% unclosed here-document [open]
cat <<EOF
text
# %% operator at the end [open]
echo a
true &&
