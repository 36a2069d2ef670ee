dnl Copyright (c) 2026 The ovs-mbox authors.
dnl
dnl Licensed under the Apache License, Version 2.0 (the "License");
dnl you may not use this file except in compliance with the License.
dnl You may obtain a copy of the License at:
dnl
dnl     http://www.apache.org/licenses/LICENSE-2.0
dnl
dnl Unless required by applicable law or agreed to in writing, software
dnl distributed under the License is distributed on an "AS IS" BASIS,
dnl WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
dnl See the License for the specific language governing permissions and
dnl limitations under the License.

dnl MBOX_CHECK_PKG(VARIABLE, MODULES, DEBIAN-PACKAGE)
dnl
dnl Finds a required library with pkg-config; sets VARIABLE_CFLAGS and
dnl VARIABLE_LIBS.
AC_DEFUN([MBOX_CHECK_PKG],
  [PKG_CHECK_MODULES([$1], [$2], [],
     [AC_MSG_ERROR([$2 is missing.  Install $3 (apt-get install $3).])])])

dnl MBOX_WITH_DPDK
dnl
dnl --without-dpdk: neither the switch nor libmbox use DPDK.
AC_DEFUN([MBOX_WITH_DPDK],
  [AC_ARG_WITH([dpdk],
     [AS_HELP_STRING([--without-dpdk],
        [build Open vSwitch and libmbox without DPDK (vhost-user ports,
         "dpdk:" ports of middleboxes)])],
     [], [with_dpdk=yes])
   AS_CASE([$with_dpdk],
     [no], [mbox_dpdk_says=no],
     [yes | shared],
       [MBOX_CHECK_PKG([DPDK], [libdpdk >= 22.11],
          [libdpdk-dev, or configure with --without-dpdk])
        AC_DEFINE([HAVE_DPDK], [1], [Define to 1 to support DPDK ports.])
        mbox_dpdk_says="yes, shared library"],
     [AC_MSG_ERROR([--with-dpdk takes no value but "shared"])])
   AC_SUBST([with_dpdk])
  AM_CONDITIONAL([HAVE_DPDK], [test "$with_dpdk" != no])])

dnl MBOX_WITH_SWITCH
dnl
dnl Finds the Open vSwitch source and what it takes to patch and build it.
AC_DEFUN([MBOX_WITH_SWITCH],
  [AC_ARG_ENABLE([switch],
     [AS_HELP_STRING([--disable-switch],
        [build only libmbox, the middleboxes and tools, not the patched Open
         vSwitch (enough for a middlebox VM)])],
     [], [enable_switch=yes])
   AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=FILE],
        [tar archive or directory of the Open vSwitch source to patch, of a
         release for which there is a folder in ovs-patches.  Default: that of
         Debian's openvswitch-source, in /usr/src/openvswitch])],
     [], [with_ovs_source=])
   AC_ARG_VAR([QUILT], [quilt, which applies the patches to Open vSwitch])
   AC_ARG_VAR([OVS_CONFIGURE_ARGS],
              [more arguments for the configure script of Open vSwitch])
   mbox_switch_says=no
   AS_IF([test "$enable_switch" = yes],
     [AS_CASE([$with_ovs_source],
        [no], [AC_MSG_ERROR([use --disable-switch rather than
                             --without-ovs-source])],
        [yes | ''],
          [for f in /usr/src/openvswitch/openvswitch.tar.gz \
                    /usr/share/openvswitch/openvswitch.tar.gz \
                    /usr/src/openvswitch; do
             AS_IF([test -z "$OVS_SOURCE" && test -r "$f"], [OVS_SOURCE=$f])
           done],
        [OVS_SOURCE=`cd "$(dirname "$with_ovs_source")" 2>/dev/null && pwd`
         OVS_SOURCE=$OVS_SOURCE/`basename "$with_ovs_source"`])
      AC_MSG_CHECKING([for the Open vSwitch source])
      AS_IF([test -n "$OVS_SOURCE" && test -r "$OVS_SOURCE"],
        [AC_MSG_RESULT([$OVS_SOURCE])],
        [AC_MSG_RESULT([not found])
         AC_MSG_ERROR([the Open vSwitch source is missing.  Install
openvswitch-source, or name an archive of Open vSwitch with
--with-ovs-source=FILE, or configure with --disable-switch.])])
      AC_MSG_CHECKING([for its release])
      AS_IF([test -d "$OVS_SOURCE"],
        [mbox_ovs_ac=`cat "$OVS_SOURCE/configure.ac"`],
        [mbox_ovs_ac=`tar xOf "$OVS_SOURCE" --wildcards \
                        --no-wildcards-match-slash '*/configure.ac'`])
      OVS_SERIES=`AS_ECHO(["$mbox_ovs_ac"]) | sed -n \
        '[s/^.*_INIT(openvswitch, *\([0-9]*\.[0-9]*\)\..*/\1/p]'`
      AC_MSG_RESULT([$OVS_SERIES])
      AS_IF([test ! -e "$srcdir/ovs-patches/$OVS_SERIES/series"],
        [OVS_SERIES_KNOWN=`cd "$srcdir/ovs-patches" && echo *`
         AC_MSG_ERROR([there are no patches for Open vSwitch $OVS_SERIES, only
for $OVS_SERIES_KNOWN.  Documentation/porting.md tells how to make some.])])
      MBOX_NEED_PROG([QUILT], [quilt], [quilt])
      MBOX_NEED_PROG([AUTORECONF], [autoreconf], [autoconf automake libtool])
      MBOX_NEED_PROG([AUTOM4TE], [autom4te], [autoconf])
      AS_IF([test -z "$PYTHON3"],
        [AC_MSG_ERROR([python3 is missing.  Install python3.])])
      mbox_switch_says="$OVS_SERIES from $OVS_SOURCE"])
   AC_SUBST([OVS_SERIES])
   AC_SUBST([OVS_SOURCE])
   AM_CONDITIONAL([BUILD_SWITCH], [test "$enable_switch" = yes])])

dnl MBOX_WITH_STATEALYZR
dnl
dnl The analyser of middlebox programs is built if LLVM 19 is there.
AC_DEFUN([MBOX_WITH_STATEALYZR],
  [AC_ARG_WITH([statealyzr],
     [AS_HELP_STRING([--without-statealyzr],
        [do not build mbox-statealyzr and mbox-cc, which need LLVM 19])],
     [], [with_statealyzr=check])
   AC_ARG_VAR([LLVM_CONFIG], [llvm-config of LLVM 19])
   AC_ARG_VAR([CLANG], [clang of LLVM 19, which mbox-cc runs])
   AC_ARG_VAR([LLVM_LINK], [llvm-link of LLVM 19, which mbox-cc runs])
   mbox_statealyzr_says=no
   AS_IF([test "$with_statealyzr" != no],
     [mbox_llvm_path=$PATH$PATH_SEPARATOR/usr/lib/llvm-19/bin
      AC_PATH_PROGS([LLVM_CONFIG], [llvm-config-19 llvm-config], [],
                    [$mbox_llvm_path])
      AC_PATH_PROGS([CLANG], [clang-19], [], [$mbox_llvm_path])
      AC_PATH_PROGS([LLVM_LINK], [llvm-link-19], [], [$mbox_llvm_path])
      AC_PATH_PROGS([LLVM_NM], [llvm-nm-19], [], [$mbox_llvm_path])
      PKG_CHECK_MODULES([GLIB], [glib-2.0 >= 2.56], [mbox_have_glib=yes],
                        [mbox_have_glib=no])
      mbox_lacks=
      AS_CASE([`test -z "$LLVM_CONFIG" || "$LLVM_CONFIG" --version`],
        [19.*], [], [mbox_lacks="$mbox_lacks llvm-19-dev"])
      AS_IF([test -z "$CLANG"], [mbox_lacks="$mbox_lacks clang-19"])
      AS_IF([test -z "$LLVM_LINK"], [mbox_lacks="$mbox_lacks llvm-19"])
      AS_IF([test "$mbox_have_glib" = no],
            [mbox_lacks="$mbox_lacks libglib2.0-dev"])
      AS_IF([test -z "$mbox_lacks"],
        [mbox_statealyzr_says="yes, LLVM `"$LLVM_CONFIG" --version`"
         LLVM_CFLAGS="-isystem `"$LLVM_CONFIG" --includedir`"
         LLVM_LIBS="`"$LLVM_CONFIG" --libs --link-shared`"
         LLVM_LIBS="-L`"$LLVM_CONFIG" --libdir` $LLVM_LIBS"],
        [test "$with_statealyzr" = yes],
        [AC_MSG_ERROR([the analyser of programs needs$mbox_lacks.  Install
them (apt-get install$mbox_lacks), or configure with --without-statealyzr.])],
        [mbox_statealyzr_says="no, needs$mbox_lacks"])])
   AC_SUBST([LLVM_CFLAGS])
   AC_SUBST([LLVM_LIBS])
   AM_CONDITIONAL([BUILD_STATEALYZR],
                  [test "${mbox_statealyzr_says#yes}" \
                        != "$mbox_statealyzr_says"])
   AS_IF([test -z "$BUILD_STATEALYZR_TRUE"],
         [mbox_have_statealyzr=yes], [mbox_have_statealyzr=no])
   AC_SUBST([mbox_have_statealyzr])
   MBOX_CHECK_RELOCATABLE])

dnl MBOX_CHECK_RELOCATABLE
dnl
dnl How to link objects into one that any linker takes, whatever CFLAGS says.
AC_DEFUN([MBOX_CHECK_RELOCATABLE],
  [AC_CHECK_TOOL([OBJCOPY], [objcopy], [objcopy])
   RELOCATABLE_LDFLAGS='-r -flinker-output=nolto-rel'
   AC_MSG_CHECKING([whether $CC takes $RELOCATABLE_LDFLAGS])
   mbox_save_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS $RELOCATABLE_LDFLAGS"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM], [mbox_nolto=yes], [mbox_nolto=no])
   CFLAGS=$mbox_save_CFLAGS
   AS_IF([test $mbox_nolto = no], [RELOCATABLE_LDFLAGS=-r])
   AC_MSG_RESULT([$mbox_nolto])
   AC_SUBST([RELOCATABLE_LDFLAGS])])

dnl MBOX_NEED_PROG(VARIABLE, PROGRAM, DEBIAN-PACKAGES)
AC_DEFUN([MBOX_NEED_PROG],
  [AC_PATH_PROG([$1], [$2])
   AS_IF([test -z "$$1"],
     [AC_MSG_ERROR([$2 is missing.  Install $3 (apt-get install $3).])])])

dnl MBOX_ENABLE_WERROR
AC_DEFUN([MBOX_ENABLE_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror],
        [treat compiler warnings as errors, in Open vSwitch too])],
     [], [enable_Werror=no])
   AM_CONDITIONAL([WERROR], [test "$enable_Werror" != no])])

dnl MBOX_ENABLE_SANITIZERS
AC_DEFUN([MBOX_ENABLE_SANITIZERS],
  [AC_ARG_ENABLE([sanitizers],
     [AS_HELP_STRING([--enable-sanitizers],
        [build everything, Open vSwitch too, with AddressSanitizer and
         UndefinedBehaviorSanitizer])],
     [], [enable_sanitizers=no])
   SANITIZE_CFLAGS=
   AS_IF([test "$enable_sanitizers" != no],
     [SANITIZE_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer"
      SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-common -O1"
      AC_MSG_CHECKING([whether $CC has the sanitizers])
      mbox_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS $SANITIZE_CFLAGS"
      AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([cannot link with -fsanitize=address,undefined.
Install libasan8 and libubsan1, or gcc with its sanitizer libraries.])])
      CFLAGS=$mbox_save_CFLAGS])
   AC_SUBST([SANITIZE_CFLAGS])
   AC_SUBST([enable_sanitizers])
  AM_CONDITIONAL([SANITIZERS], [test "$enable_sanitizers" != no])])

dnl MBOX_WARNINGS
dnl
dnl Puts in WARNING_CFLAGS the warnings that the compiler knows.
AC_DEFUN([MBOX_WARNINGS],
  [WARNING_CFLAGS=
   mbox_save_CFLAGS=$CFLAGS
   for flag in -Wall -Wextra -Wno-sign-compare -Wpointer-arith -Wformat \
               -Wformat-security -Wunused-parameter \
               -Wstrict-prototypes -Wold-style-definition \
               -Wmissing-prototypes -Wmissing-field-initializers -Wshadow \
               -Wduplicated-cond -Wlogical-not-parentheses \
               -fno-strict-aliasing; do
     CFLAGS="$mbox_save_CFLAGS -Werror $flag"
     AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
                       [WARNING_CFLAGS="$WARNING_CFLAGS $flag"])
   done
   CFLAGS=$mbox_save_CFLAGS
   AS_IF([test "$enable_Werror" != no],
         [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
   AC_SUBST([WARNING_CFLAGS])])
